package fleet

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/wsverdict/wsverdict/policy"
)

//go:embed say.lua
var saySource string

var sayScript = redis.NewScript(saySource)

// End closes the live connections on all servers that have all the given tags, as
// [upgrade.Upgrader.End] does on one, spread over within. It is about connections alone: who comes
// back is judged anew ([Fleet.Revoke] is for bans). A server that is cut off does it when it is
// back, at most [Config.Remember] later; connections that it has then are ended though they may be
// younger.
//
// It returns when Redis has it; an error means that it may or may not have been said. It panics if
// v allows.
func (f *Fleet) End(ctx context.Context, v policy.Verdict, within time.Duration, tag policy.Tag, more ...policy.Tag) error {
	return f.stream.say(ctx, entry{Kind: kindEnd, Verdict: denial("End", v), Tags: join(tag, more), Within: milliseconds(within)})
}

// EndAll is [Fleet.End] for every live connection.
func (f *Fleet) EndAll(ctx context.Context, v policy.Verdict, within time.Duration) error {
	return f.stream.say(ctx, entry{Kind: kindEnd, Verdict: denial("EndAll", v), Within: milliseconds(within)})
}

// Revoke bans who has all the given tags, for so long: their live connections are closed at once,
// on all servers, and [Revocations] denies their handshakes with v, also on servers that were cut
// off or start later. No connection slips through in between. Where the tag is a token's ID, d is
// how long the token would be good.
//
// It returns when Redis has it, and as a rule after this server has applied it; the others do
// within milliseconds. An error means that it may or may not have been said. d must be positive and
// at most [Config.Remember]. It panics if v allows.
func (f *Fleet) Revoke(ctx context.Context, v policy.Verdict, d time.Duration, tag policy.Tag, more ...policy.Tag) error {
	if d <= 0 || d > f.cfg.Remember {
		return fmt.Errorf("fleet: Revoke: %v: want more than 0, at most Remember, which is %v", d, f.cfg.Remember)
	}
	return f.stream.say(ctx, entry{Kind: kindRevoke, Verdict: denial("Revoke", v), Tags: join(tag, more), For: milliseconds(d)})
}

// Lift takes back what [Fleet.Revoke] said about exactly these tags.
func (f *Fleet) Lift(ctx context.Context, tag policy.Tag, more ...policy.Tag) error {
	return f.stream.say(ctx, entry{Kind: kindLift, Tags: join(tag, more)})
}

func denial(where string, v policy.Verdict) *sentVerdict {
	if v.Allowed() {
		panic("fleet: " + where + " with an allowing verdict")
	}
	return sent(v)
}

func join(tag policy.Tag, more []policy.Tag) []policy.Tag { return append([]policy.Tag{tag}, more...) }

// say appends e to the stream, and waits a moment for this process to apply it.
func (s *stream) say(ctx context.Context, e entry) error {
	text, err := json.Marshal(e)
	if err != nil {
		return err
	}
	cmd, err := s.fleet.run(ctx, s.fleet.soon(), OpSay, sayScript, []string{s.fleet.names.ends(), s.fleet.names.maintenance()},
		text, s.fleet.cfg.Remember.Milliseconds(), e.Kind == kindMaintenance)
	if err != nil {
		return err
	}
	if id, err := cmd.Text(); err == nil {
		if at, err := parsePosition(id); err == nil {
			s.wait(ctx, at)
		}
	}
	return nil
}
