package fleet

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/wsverdict/wsverdict/upgrade"
)

// A Config says how a process takes part in its fleet. The zero value works. Prefix, KeySecret,
// Remember and SeatLease must be the same on all servers.
type Config struct {
	// Prefix begins every key in Redis: one fleet has one. Printable ASCII without braces, which
	// Redis Cluster reads as hash tags. "" means "wsverdict".
	Prefix string

	// KeySecret, if given, keeps addresses and names out of Redis: the keys of limits and seats are
	// stored as their HMAC-SHA256 under this secret. At least 16 bytes. Tags and verdicts in the
	// stream of ends stay readable, since servers find connections by them.
	KeySecret []byte

	// Upgraders have the connections of this process that ends and drains of the fleet are about.
	Upgraders []*upgrade.Upgrader

	// SubjectTag is the key of the tag that stands for the subject of a request ([policy.Subject])
	// in [Revocations.Judge]: the same as JWTConfig.Tag. "" means "user".
	SubjectTag string

	// Timeout bounds every command that a handshake waits for. 0 means 100 ms. It should be below
	// the Timeout of the policies.
	Timeout time.Duration

	// TokensAhead, if positive, lets this process fetch up to so many tokens in advance for a key
	// that it was asked about within the last second, and use them up within the next one without a
	// round trip. It never takes more than half of what is left. Tokens that were not used are
	// lost: so near its limit a key may be refused up to TokensAhead early for every other server,
	// and a burst can exceed its size by as many per server. 0 keeps limits exact.
	TokensAhead int

	// SeatLease is after how long the seats of a server that crashed or was cut off are free again.
	// They are renewed three times as often. At least a second; 0 means 30 s.
	SeatLease time.Duration

	// Remember is how long the stream keeps what was said: the longest that [Fleet.Revoke] can
	// revoke, and how long a server can be away without missing anything. At least a minute; 0
	// means 24 h.
	Remember time.Duration

	// MaxSilence, if positive, is after how long without contact to Redis [Revocations] no longer
	// trusts what it knows, and answers as it does before it has caught up. 0 means that it goes on
	// with what it knows.
	MaxSilence time.Duration

	// InsecureAllowUntilReady makes [Revocations] allow everybody until this process has caught up
	// with the stream, instead of denying with 503 revocation_unavailable. Who was let in wrongly
	// is closed as soon as it has.
	InsecureAllowUntilReady bool

	// OnError, if given, is told of every failure: of commands, and of entries in the stream that
	// this version does not understand. It is called concurrently, also from handshakes, and must
	// not wait.
	OnError func(error)
}

// minimumSecret is what makes guessing keys as hard as guessing the secret.
const minimumSecret = 16

func (c Config) withDefaults() Config {
	if c.Prefix == "" {
		c.Prefix = "wsverdict"
	}
	if c.SubjectTag == "" {
		c.SubjectTag = "user"
	}
	if c.Timeout == 0 {
		c.Timeout = 100 * time.Millisecond
	}
	if c.SeatLease == 0 {
		c.SeatLease = 30 * time.Second
	}
	if c.Remember == 0 {
		c.Remember = 24 * time.Hour
	}
	if c.OnError == nil {
		c.OnError = func(error) {}
	}
	return c
}

// check returns every mistake at once.
func (c Config) check(client redis.UniversalClient) error {
	var wrong []error
	add := func(is bool, format string, args ...any) {
		if is {
			wrong = append(wrong, fmt.Errorf("fleet: New: "+format, args...))
		}
	}
	add(client == nil, "the client is nil")
	add(!heedsContext(client), "the client needs ContextTimeoutEnabled: without it a command ignores its timeout")
	add(strings.ContainsFunc(c.Prefix, func(r rune) bool { return r <= ' ' || r > '~' || r == '{' || r == '}' }),
		"Prefix: %q: want printable ASCII without spaces and braces", c.Prefix)
	add(c.KeySecret != nil && len(c.KeySecret) < minimumSecret, "KeySecret: %d bytes: want at least %d", len(c.KeySecret), minimumSecret)
	add(c.Timeout < time.Millisecond, "Timeout: %v: want at least 1ms", c.Timeout)
	add(c.TokensAhead < 0, "TokensAhead is negative")
	add(c.SeatLease < time.Second, "SeatLease: %v: want at least 1s", c.SeatLease)
	add(c.Remember < time.Minute, "Remember: %v: want at least 1m", c.Remember)
	add(c.MaxSilence < 0, "MaxSilence is negative")
	for i, up := range c.Upgraders {
		add(up == nil, "Upgraders[%d] is nil", i)
	}
	return errors.Join(wrong...)
}

// heedsContext is true for clients of other types: they cannot be asked.
func heedsContext(client redis.UniversalClient) bool {
	switch c := client.(type) {
	case *redis.Client:
		return c == nil || c.Options().ContextTimeoutEnabled
	case *redis.ClusterClient:
		return c == nil || c.Options().ContextTimeoutEnabled
	case *redis.Ring:
		return c == nil || c.Options().ContextTimeoutEnabled
	}
	return true
}
