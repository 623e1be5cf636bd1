package fleet

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
)

// An entry is something that was said to all servers.
type entry struct {
	Kind    entryKind    `json:"kind"`
	Verdict *sentVerdict `json:"verdict,omitzero"` // of an end and a revocation
	Tags    []policy.Tag `json:"tags,omitzero"`    // of both and a lift; an end without is one of all
	Within  int64        `json:"within,omitzero"`  // milliseconds, of an end and a drain
	For     int64        `json:"for,omitzero"`     // milliseconds, of a revocation and of maintenance whose end is known
	On      bool         `json:"on,omitzero"`      // of maintenance
	Drain   bool         `json:"drain,omitzero"`   // of maintenance
}

type entryKind string

const (
	kindEnd         entryKind = "end"         // live connections end, once
	kindRevoke      entryKind = "revoke"      // they end, and their like are denied for a time
	kindLift        entryKind = "lift"        // a revocation is over
	kindMaintenance entryKind = "maintenance" // begins, changes or ends
)

func parseEntry(text string) (e entry, err error) {
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		return e, err
	}
	switch e.Kind {
	case kindRevoke, kindLift:
		if len(e.Tags) == 0 {
			return e, fmt.Errorf("%s without a tag", e.Kind) // it would be about everybody
		}
	case kindEnd, kindMaintenance:
	default:
		return e, fmt.Errorf("kind %q is not known", e.Kind)
	}
	return e, nil
}

// denial is the entry's verdict. One that cannot be understood is an error and another denial: who
// said it wanted them out.
func (e entry) denial() (policy.Verdict, error) {
	v, err := e.Verdict.verdict()
	if err != nil {
		v = policy.Close(codes.Forbidden, "ended").WithCause(err)
	}
	return v, err
}

// A position is an entry's in the stream, its moment by Redis's clock first.
type position struct{ ms, seq int64 }

func parsePosition(id string) (p position, err error) {
	ms, seq, _ := strings.Cut(id, "-")
	if p.ms, err = strconv.ParseInt(ms, 10, 64); err == nil {
		p.seq, err = strconv.ParseInt(seq, 10, 64)
	}
	return p, err
}

func (p position) String() string {
	return strconv.FormatInt(p.ms, 10) + "-" + strconv.FormatInt(p.seq, 10)
}

func (p position) before(q position) bool { return p.ms < q.ms || p.ms == q.ms && p.seq < q.seq }

// after is the moment d later than the entry.
func (p position) after(d time.Duration) time.Time { return time.UnixMilli(p.ms).Add(d) }
