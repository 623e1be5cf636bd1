package upgrade

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/wsverdict/wsverdict/policy"
)

// End closes every live connection that has all the given tags with a denial's code and reason, and
// returns how many there are. They are closed at random moments within the given time, so that they
// do not come back all at once; each is told to wait for v's After plus a random part of that time,
// for the same reason. 0 closes all now, in the background.
//
// For a ban: first record it where the policies look, then call End. A handshake that is under way
// is refused by the policy, or ended by its tags like a connection that was there, though it is not
// counted. It panics if v allows.
func (u *Upgrader) End(v policy.Verdict, within time.Duration, tag policy.Tag, more ...policy.Tag) int {
	return u.end("End", v, within, selection{tags: append([]policy.Tag{tag}, more...)})
}

// EndAll is [Upgrader.End] for every live connection, whatever its tags. Unlike [Upgrader.Shutdown]
// it refuses nobody who comes later.
func (u *Upgrader) EndAll(v policy.Verdict, within time.Duration) int {
	return u.end("EndAll", v, within, selection{})
}

// EndExcept is [Upgrader.End] for those connections alone that do not have the tag spared.
func (u *Upgrader) EndExcept(v policy.Verdict, within time.Duration, spared, tag policy.Tag, more ...policy.Tag) int {
	return u.end("EndExcept", v, within, selection{tags: append([]policy.Tag{tag}, more...), spared: &spared})
}

// EndAllExcept is [Upgrader.EndAll] for those connections alone that do not have the tag spared.
func (u *Upgrader) EndAllExcept(v policy.Verdict, within time.Duration, spared policy.Tag) int {
	return u.end("EndAllExcept", v, within, selection{spared: &spared})
}

func (u *Upgrader) end(name string, v policy.Verdict, within time.Duration, s selection) int {
	if v.Allowed() {
		panic("upgrade: " + name + " with an allowing verdict")
	}
	c := u.mounted()
	e := &scheduledEnd{v, within, within}
	found := c.live.find(e, s)
	c.endAll(found, e)
	return len(found)
}

// A selection says which connections are meant: those that have all of tags, and not the spared
// one.
type selection struct {
	tags   []policy.Tag // of its own; none means all connections
	spared *policy.Tag  // nil for none
}

// holds says whether c is meant. live.mu is held.
func (s *selection) holds(c *Conn) bool {
	return !slices.ContainsFunc(s.tags, func(tag policy.Tag) bool { return !c.hasTag(tag) }) && !s.spares(c)
}

func (s *selection) spares(c *Conn) bool { return s.spared != nil && c.hasTag(*s.spared) }

func (c *Conn) hasTag(tag policy.Tag) bool {
	t := c.config.live.tags[tag]
	return t != nil && c.has(t)
}

// minSpread is below what spreading is good for, and what the wheel can tell apart.
const minSpread = 2 * tick

func (c *config) endAll(conns []*Conn, e *scheduledEnd) {
	if e.within < minSpread {
		for _, conn := range conns {
			go conn.endWith(e.spread(), ByServer) // a client that does not read holds up its own goroutine only
		}
		return
	}
	c.live.mu.Lock()
	defer c.live.mu.Unlock()
	now := time.Now()
	for _, conn := range conns {
		at := c.live.wheel.TickAt(now.Add(rand.N(e.within)))
		if t := &conn.timer; !conn.state.gone && (t.end == nil || at < t.endAt) { // an earlier end than another's counts
			t.end, t.endAt = e, at
			c.live.schedule(conn)
		}
	}
}

// A scheduledEnd is shared by all connections that are ended together.
type scheduledEnd struct {
	verdict policy.Verdict
	within  time.Duration // they end
	back    time.Duration // they come back, after the verdict's own wait
}

// spread is the verdict for one of them.
func (e *scheduledEnd) spread() *policy.Verdict {
	v := e.verdict
	if e.back > 0 {
		v = v.WithAfter(v.After() + rand.N(e.back))
	}
	return &v
}
