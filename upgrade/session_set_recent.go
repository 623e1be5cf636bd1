package upgrade

import (
	"slices"
	"time"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
)

// recentEnds remembers Ends for the handshakes that were under way: their policies may have judged
// before a ban was recorded, and there was no connection yet that End could find. It is guarded by
// live.mu.
//
// However many there are, a handshake looks only at those with a tag of its own, and at the Ends of
// all.
type recentEnds struct {
	by    map[policy.Tag][]recentEnd // the oldest first
	order []forgetting               // of all in by, the oldest first
	gone  uint64                     // the number of the last that was forgotten
}

type recentEnd struct {
	number uint64
	end    *scheduledEnd
	meant  selection
}

// A forgetting says when the oldest of a tag's recentEnds was remembered.
type forgetting struct {
	at  instant
	tag policy.Tag
}

// remembered is longer than handshakes take. Whoever takes longer may have missed an End that is
// forgotten, and has to come again.
const remembered = time.Minute

var outdated = &scheduledEnd{verdict: policy.Close(codes.ServiceUnavailable, "handshake_timeout").
	WithAction(codes.Reconnect)}

// add remembers an end by one of its tags; by none, that is by the zero Tag, if it is meant for all.
func (r *recentEnds) add(tag policy.Tag, end recentEnd) {
	at := now()
	for len(r.order) > 0 && r.order[0].at.add(remembered) <= at {
		r.forget(r.order[0].tag)
		r.order = r.order[1:]
	}
	if r.by == nil {
		r.by = map[policy.Tag][]recentEnd{}
	}
	r.by[tag] = append(r.by[tag], end)
	r.order = append(r.order, forgetting{at, tag})
}

func (r *recentEnds) forget(tag policy.Tag) {
	r.gone = r.by[tag][0].number
	if rest := r.by[tag][1:]; len(rest) > 0 {
		r.by[tag] = rest
	} else {
		delete(r.by, tag)
	}
}

// find returns the connections that are meant, and remembers that they are ended.
func (l *live) find(e *scheduledEnd, s selection) []*Conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.recent.add(l.rarest(s.tags), recentEnd{l.ends.Add(1), e, s})
	return slices.DeleteFunc(l.selected(s.tags), s.spares)
}

// rarest is the tag that the fewest connections have, the zero one of none. mu is held.
func (l *live) rarest(tags []policy.Tag) (rarest policy.Tag) {
	least := 0
	for i, tag := range tags {
		n := 0
		if t := l.tags[tag]; t != nil {
			n = t.n
		}
		if i == 0 || n < least {
			rarest, least = tag, n
		}
	}
	return rarest
}

// endSince ends c as it would have been, had it been there at every End since its handshake began.
func (c *Conn) endSince(since uint64) {
	l := &c.config.live
	if l.ends.Load() < since {
		return
	}
	var ends []*scheduledEnd
	look := func(tag policy.Tag) {
		for _, r := range slices.Backward(l.recent.by[tag]) {
			if r.number < since {
				break
			}
			if r.meant.holds(c) {
				ends = append(ends, r.end)
			}
		}
	}
	l.mu.Lock()
	if since <= l.recent.gone {
		ends = append(ends, outdated)
	}
	look(policy.Tag{})
	for m := c.place.tags; m != nil; m = m.more {
		if m.of.tag != (policy.Tag{}) {
			look(m.of.tag)
		}
	}
	l.mu.Unlock()
	for _, e := range ends {
		c.config.endAll([]*Conn{c}, e)
	}
}
