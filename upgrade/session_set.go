package upgrade

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade/internal/wheel"
)

// live is the set of an Upgrader's connections, from their admission to their end, with an index by tag and one wheel of timers
// for all of them. One goroutine turns the wheel while there are connections.
type live struct {
	now atomic.Uint32 // ticks since start, as of the wheel's last turn

	mu      sync.Mutex
	first   *Conn
	n       int
	tags    map[policy.Tag]*tagged
	closing bool          // Shutdown has begun
	empty   chan struct{} // closed when n and leaving are 0; nil if nobody waits
	leaving int           // connections that are gone, but not yet reported
	turning bool
	wheel   wheel.Wheel[Conn]

	ends   atomic.Uint64 // so far
	recent []recentEnd   // the last of them
}

// A place is a connection's in the set: in the list of all, and in one list for each of its tags. It is guarded by live.mu.
type place struct {
	next, prev *Conn
	tags       *membership
	gone       bool
	cut        bool // the linger has begun: at its end the connection is cut off
}

// tagged is every connection with one tag.
type tagged struct {
	tag   policy.Tag
	first *membership
	n     int
}

type membership struct {
	conn       *Conn
	of         *tagged
	next, prev *membership // among the tag's
	more       *membership // of the connection's
}

// add puts c into the set, with its tags. It returns false when the Upgrader is being shut down.
func (l *live) add(c *Conn, tags []policy.Tag) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closing {
		return false
	}
	if c.place.next = l.first; l.first != nil {
		l.first.place.prev = c
	}
	l.first = c
	l.n++
	room := make([]membership, len(tags)) // of all in one
	for i, tag := range tags {
		l.tag(c, tag, &room[i])
	}
	l.turn()
	c.in.seen.Store(l.wheel.Turned())
	l.schedule(c)
	return true
}

// tag adds one tag, as m; a second time changes nothing.
func (l *live) tag(c *Conn, tag policy.Tag, m *membership) {
	t := l.tags[tag]
	if t == nil {
		if l.tags == nil {
			l.tags = map[policy.Tag]*tagged{}
		}
		t = &tagged{tag: tag}
		l.tags[tag] = t
	}
	if c.has(t) {
		return
	}
	*m = membership{conn: c, of: t, next: t.first, more: c.place.tags}
	if t.first != nil {
		t.first.prev = m
	}
	t.first = m
	t.n++
	c.place.tags = m
}

func (c *Conn) has(t *tagged) bool {
	for m := c.place.tags; m != nil; m = m.more {
		if m.of == t {
			return true
		}
	}
	return false
}

// remove takes c out of the set. leaving is 1 if a call of reported follows.
func (l *live) remove(c *Conn, leaving int) {
	c.giveSeats()
	l.mu.Lock()
	defer l.mu.Unlock()
	c.place.gone = true
	l.wheel.Stop(c)
	switch p := &c.place; {
	case p.prev != nil:
		p.prev.place.next = p.next
	default:
		l.first = p.next
	}
	if next := c.place.next; next != nil {
		next.place.prev = c.place.prev
	}
	c.place.next, c.place.prev = nil, nil
	for m := c.place.tags; m != nil; m = m.more {
		m.leave(l)
	}
	l.n--
	l.leaving += leaving
	l.ifEmpty()
}

func (l *live) reported() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.leaving--
	l.ifEmpty()
}

func (l *live) ifEmpty() {
	if l.n+l.leaving == 0 && l.empty != nil {
		close(l.empty)
		l.empty = nil
	}
}

func (m *membership) leave(l *live) {
	if m.prev != nil {
		m.prev.next = m.next
	} else {
		m.of.first = m.next
	}
	if m.next != nil {
		m.next.prev = m.prev
	}
	if m.of.n--; m.of.n == 0 {
		delete(l.tags, m.of.tag)
	}
}

// with returns the connections that have all of tags; all connections for none. It looks at those of the rarest tag only. mu is held.
func (l *live) with(tags []policy.Tag) []*Conn {
	if len(tags) == 0 {
		found := make([]*Conn, 0, l.n)
		for c := l.first; c != nil; c = c.place.next {
			found = append(found, c)
		}
		return found
	}
	wanted := make([]*tagged, len(tags))
	rarest := 0
	for i, tag := range tags {
		if wanted[i] = l.tags[tag]; wanted[i] == nil {
			return nil
		}
		if wanted[i].n < wanted[rarest].n {
			rarest = i
		}
	}
	found := make([]*Conn, 0, wanted[rarest].n)
	for m := wanted[rarest].first; m != nil; m = m.next {
		if !slices.ContainsFunc(wanted, func(t *tagged) bool { return !m.conn.has(t) }) {
			found = append(found, m.conn)
		}
	}
	return found
}

// Tag adds a tag to the connection, so that [Upgrader.End] finds it. A tag that a policy brought ([policy.Verdict.WithTag]) is in
// place earlier: before the client knows that it is connected.
func (c *Conn) Tag(key, value string) {
	l := &c.config.live
	l.mu.Lock()
	defer l.mu.Unlock()
	if !c.place.gone {
		l.tag(c, policy.Tag{Key: key, Value: value}, new(membership))
	}
}

// Tags returns the connection's tags, the last added first.
func (c *Conn) Tags() []policy.Tag {
	l := &c.config.live
	l.mu.Lock()
	defer l.mu.Unlock()
	var tags []policy.Tag
	for m := c.place.tags; m != nil; m = m.more {
		tags = append(tags, m.of.tag)
	}
	return tags
}
