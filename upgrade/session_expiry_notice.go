package upgrade

import (
	"runtime/debug"
	"time"
)

// A notice is what is told of before an expiry.
type notice struct {
	before int64 // nanoseconds
	told   int64 // of the expiry at this moment; 0 for none yet
	f      func(at time.Time)
}

// notices are the session's and the Observer's. They are nil where nobody asked, so that an idle
// connection does not pay for them.
type notices struct{ session, observer *notice }

// BeforeExpiry has f called some time before the connection expires ([policy.Verdict.WithExpiry]), so
// that the session can ask its client for new credentials: with the moment at which it will be closed.
// It is called once for each expiry, again when [Conn.Extend] has moved it, and soon if there is less
// time left than before; a tenth of a second late at most. It runs on a goroutine of its own, may write
// and wait, and its panic ends the connection as one of the session does.
//
//	c.BeforeExpiry(30*time.Second, func(time.Time) { c.Send(renewPlease) })
//
// A connection that never expires never calls it, and no connection that does not use it pays for it.
// The last call of several counts; nil is for none. [Upgrader.ExpiryNotice] does it for all
// connections.
func (c *Conn) BeforeExpiry(before time.Duration, f func(at time.Time)) {
	if f == nil {
		c.onExpiry(func(n *notices) { n.session = nil })
		return
	}
	n := &notice{before: int64(max(0, before)), f: func(at time.Time) { c.tellSession(f, at) }}
	c.onExpiry(func(all *notices) { all.session = n })
}

// tellObserver has the Observer told before each expiry, if that is wanted. It is called once, when the
// Observer knows of the connection.
func (c *Conn) tellObserver() {
	if c.config.timed && c.config.expiryNotice > 0 {
		n := &notice{before: int64(c.config.expiryNotice), f: func(at time.Time) { c.config.reportExpiring(c, at) }}
		c.onExpiry(func(all *notices) { all.observer = n })
	}
}

func (c *Conn) onExpiry(set func(*notices)) {
	l := &c.config.live
	l.mu.Lock()
	defer l.mu.Unlock()
	first := c.timer.expires
	if first == nil {
		return
	}
	set(&first.notices)
	if !c.state.gone {
		l.schedule(c)
	}
}

// noticeAt is when there is something to tell, never if there is not. live.mu is held.
func (c *Conn) noticeAt() int64 {
	first := c.timer.expires
	if first == nil {
		return never
	}
	at := c.expiresAt()
	return min(first.notices.session.due(at), first.notices.observer.due(at))
}

// due is when n tells of an expiry, never if it has.
func (n *notice) due(expires int64) int64 {
	if n == nil || expires == never || expires == n.told {
		return never
	}
	return max(0, expires-n.before)
}

// notify tells of the expiry whom it is time to tell. live.mu is held.
func (c *Conn) notify(now int64) {
	at := c.expiresAt()
	for _, n := range []*notice{c.timer.expires.notices.session, c.timer.expires.notices.observer} {
		if n.due(at) <= now {
			n.told = at
			go n.f(time.Unix(0, at))
		}
	}
}

func (c *Conn) tellSession(f func(time.Time), at time.Time) {
	defer func() {
		if x := recover(); x != nil {
			c.panicked(&PanicError{Value: x, Stack: debug.Stack()})
		}
	}()
	f(at)
}
