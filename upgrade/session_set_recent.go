package upgrade

import (
	"slices"
	"time"
)

// A recentEnd is remembered for the handshakes that were under way: their policies may have judged
// before a ban was recorded, and there was no connection yet that End could find.
type recentEnd struct {
	number uint64
	at     instant
	end    *scheduledEnd
	meant  selection
}

// remembered is longer than handshakes take.
const remembered = time.Minute

// find returns the connections that are meant, and remembers that they are ended.
func (l *live) find(e *scheduledEnd, s selection) []*Conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := now()
	old := slices.IndexFunc(l.recent, func(r recentEnd) bool { return r.at.add(remembered) > at })
	if old < 0 {
		old = len(l.recent)
	}
	l.recent = append(slices.Delete(l.recent, 0, old), recentEnd{l.ends.Add(1), at, e, s})
	found := l.all
	if len(s.tags) > 0 {
		found = func() []*Conn { return l.with(s.tags) }
	}
	return slices.DeleteFunc(found(), s.spares)
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
		if r.meant.holds(c) {
			ends = append(ends, r.end)
		}
	}
	l.mu.Unlock()
	for _, e := range ends {
		c.config.endAll([]*Conn{c}, e)
	}
}
