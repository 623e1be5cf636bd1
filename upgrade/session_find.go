package upgrade

import (
	"iter"

	"github.com/wsverdict/wsverdict/policy"
)

// Connections yields the live connections that have all the given tags, in no order. They are those
// that there are when the loop begins, less those that are closed by the time it comes to them; no
// lock is held while the loop's body works, so that it may write, tag, extend, close, and take its
// time. Finding them looks at the connections with the rarest of the tags only.
//
//	for c := range up.Connections(policy.Tag{Key: "user", Value: "alice"}) {
//		c.Untag("plan", "free")
//		c.Tag("plan", "paid")
//	}
//
// To send the same to many, use [Upgrader.Broadcast]: a Write waits for the slowest.
func (u *Upgrader) Connections(tag policy.Tag, more ...policy.Tag) iter.Seq[*Conn] {
	return u.connections(append([]policy.Tag{tag}, more...))
}

// AllConnections is [Upgrader.Connections] for all of them, whatever their tags.
func (u *Upgrader) AllConnections() iter.Seq[*Conn] { return u.connections(nil) }

func (u *Upgrader) connections(tags []policy.Tag) iter.Seq[*Conn] {
	l := &u.mounted().live
	return func(yield func(*Conn) bool) {
		l.mu.Lock()
		found := l.selected(tags)
		l.mu.Unlock()
		for _, c := range found {
			if c.open() && !yield(c) {
				return
			}
		}
	}
}

// open reports whether c has its socket already, and has not begun to end.
func (c *Conn) open() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.conn != nil && !c.end.begun
}
