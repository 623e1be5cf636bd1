package upgrade

import (
	"slices"
	"time"

	"github.com/wsverdict/wsverdict/policy"
)

// A recentEnd is remembered for the handshakes that were under way: their policies may have judged before a ban was recorded, and
// there was no connection yet that End could find.
type recentEnd struct {
	number uint64
	at     instant
	end    *scheduledEnd
	tags   []policy.Tag
}

// remembered is longer than handshakes take.
const remembered = time.Minute

// find returns the connections that have all of tags, or all connections for none, and remembers that
// they are ended.
func (l *live) find(e *scheduledEnd, tags []policy.Tag) []*Conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := now()
	old := slices.IndexFunc(l.recent, func(r recentEnd) bool { return r.at.add(remembered) > at })
	if old < 0 {
		old = len(l.recent)
	}
	l.recent = append(slices.Delete(l.recent, 0, old), recentEnd{l.ends.Add(1), at, e, slices.Clone(tags)})
	if len(tags) == 0 {
		return l.all()
	}
	return l.with(tags)
}

// endSince ends c as it would have been, had it been there at every End since its handshake began.
func (c *Conn) endSince(since uint64) {
	l := &c.config.live
	if l.ends.Load() < since {
		return
	}
	var ends []*scheduledEnd
	l.mu.Lock()
	for _, r := range slices.Backward(l.recent) {
		if r.number < since {
			break
		}
		if c.hasAll(r.tags) {
			ends = append(ends, r.end)
		}
	}
	l.mu.Unlock()
	for _, e := range ends {
		c.config.endAll([]*Conn{c}, e)
	}
}

func (c *Conn) hasAll(tags []policy.Tag) bool {
	return !slices.ContainsFunc(tags, func(tag policy.Tag) bool {
		t := c.config.live.tags[tag]
		return t == nil || !c.has(t)
	})
}
