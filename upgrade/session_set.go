package upgrade

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade/internal/wheel"
)

// live is the set of an Upgrader's connections, from their admission to their end, with an index by
// tag and one wheel of timers for all of them. One goroutine turns the wheel while there are
// connections.
type live struct {
	now     atomic.Uint32 // ticks since start, as of the wheel's last turn
	closing atomic.Bool   // Shutdown has begun; set while mu is held

	mu      sync.Mutex
	first   *Conn
	n       int
	tags    map[policy.Tag]*tagged
	empty   chan struct{} // closed when n and leaving are 0; nil if nobody waits
	leaving int           // connections that are gone, but not yet reported
	turning bool
	wheel   wheel.Wheel[Conn]

	ends   atomic.Uint64 // so far
	recent recentEnds
}

// A place is where a connection stands in the set: in the list of all connections, and in one list
// for each of its tags. It is guarded by live.mu.
type place struct {
	next, prev *Conn
	tags       *membership
}

// A state is what the set knows of a connection. It is guarded by live.mu.
type state struct {
	gone    bool
	expired bool // its expiry has come: it is about to be closed
	young   bool // it counts among the young that linger; not guarded, its last goroutine's own
	cut     bool // the linger has begun: at its end the connection is cut off
}

// A tagged lists the connections that have one tag.
type tagged struct {
	tag   policy.Tag
	first *membership
	n     int
}

type membership struct {
	conn       *Conn
	of         *tagged
	owner      any         // whose renewal replaces it; nil for nobody's
	next, prev *membership // among the tag's
	more       *membership // of the connection's
}

// An ownedTag is a tag, and who renews it ([policy.Expiry.Owner]).
type ownedTag struct {
	policy.Tag
	owner any
}

// add puts c into the set, with its tags. It returns false when the Upgrader is being shut down.
func (l *live) add(c *Conn, tags []ownedTag) bool {
	room := make([]membership, len(tags)) // of all in one, and before others have to wait
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closing.Load() {
		return false
	}
	if c.place.next = l.first; l.first != nil {
		l.first.place.prev = c
	}
	l.first = c
	l.n++
	for i, tag := range tags {
		l.tag(c, tag, &room[i])
	}
	l.turn()
	c.in.seen.Store(l.wheel.Turned())
	l.schedule(c)
	return true
}

// tag adds one tag, as m. A second time changes nothing, but that a tag of two owners is nobody's: it
// stays.
func (l *live) tag(c *Conn, tag ownedTag, m *membership) {
	t := l.tags[tag.Tag]
	if t == nil {
		if l.tags == nil {
			l.tags = map[policy.Tag]*tagged{}
		}
		t = &tagged{tag: tag.Tag}
		l.tags[tag.Tag] = t
	}
	for m := c.place.tags; m != nil; m = m.more {
		if m.of == t {
			if m.owner != tag.owner {
				m.owner = nil
			}
			return
		}
	}
	*m = membership{conn: c, of: t, owner: tag.owner, next: t.first, more: c.place.tags}
	if t.first != nil {
		t.first.prev = m
	}
	t.first = m
	t.n++
	c.place.tags = m
}

// untag takes off those tags of c that are meant.
func (l *live) untag(c *Conn, meant func(*membership) bool) {
	for at := &c.place.tags; *at != nil; {
		if m := *at; meant(m) {
			m.leave(l)
			*at = m.more
		} else {
			at = &m.more
		}
	}
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
	c.state.gone = true
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

// all returns every connection. mu is held.
func (l *live) all() []*Conn {
	found := make([]*Conn, 0, l.n)
	for c := l.first; c != nil; c = c.place.next {
		found = append(found, c)
	}
	return found
}

// selected returns the connections that have all of tags: every one, for none. mu is held.
func (l *live) selected(tags []policy.Tag) []*Conn {
	if len(tags) == 0 {
		return l.all()
	}
	return l.with(tags)
}

// with returns the connections that have all of tags. It looks at those of the rarest tag only. mu
// is held.
func (l *live) with(tags []policy.Tag) []*Conn {
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
