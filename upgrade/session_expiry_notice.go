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

// BeforeExpiry has f called some time before the connection expires ([policy.Verdict.WithExpiry]), so
// that the session can ask its client for new credentials: with the moment at which it will be closed.
// It is called once for each expiry, again when [Conn.Extend] has moved it, and soon if there is less
// time left than before; a tenth of a second late at most. It runs on a goroutine of its own, may write
// and wait, and its panic ends the connection as one of the session does.
//
//	c.BeforeExpiry(30*time.Second, func(time.Time) { c.Send(renewPlease) })
//
// A connection that never expires never calls it, and no connection that does not use it pays for it.
// The last call of several counts; nil is for none.
func (c *Conn) BeforeExpiry(before time.Duration, f func(at time.Time)) {
	l := &c.config.live
	l.mu.Lock()
	defer l.mu.Unlock()
	first := c.timer.expires
	if first == nil {
		return
	}
	first.notice = nil
	if f != nil {
		first.notice = &notice{before: int64(max(0, before)), f: f}
	}
	if !c.state.gone {
		l.schedule(c)
	}
}

// noticeAt is when there is something to tell, never if there is not. live.mu is held.
func (c *Conn) noticeAt() int64 {
	first := c.timer.expires
	if first == nil || first.notice == nil {
		return never
	}
	at := c.expiresAt()
	if at == never || at == first.notice.told {
		return never
	}
	return max(0, at-first.notice.before)
}

// notify tells of the expiry. live.mu is held.
func (c *Conn) notify() {
	n := c.timer.expires.notice
	n.told = c.expiresAt()
	go c.tellExpiry(n.f, time.Unix(0, n.told))
}

func (c *Conn) tellExpiry(f func(time.Time), at time.Time) {
	defer func() {
		if x := recover(); x != nil {
			c.panicked(&PanicError{Value: x, Stack: debug.Stack()})
		}
	}()
	f(at)
}
