package upgrade

import (
	"errors"
	"time"

	"github.com/wsverdict/wsverdict/upgrade/internal/wheel"
)

const tick = wheel.Tick

// A timer is what a connection waits for. It is guarded by live.mu.
type timer struct {
	wheel.Timer[Conn]
	end     *scheduledEnd
	expires *expiry
	endAt   uint32 // tick
	pinged  uint32 // tick of the ping that waits for a sign of life; 0 for none
}

// turn starts the goroutine that turns the wheel. It ends by itself, when there are no connections.
func (l *live) turn() {
	if l.turning {
		return
	}
	l.turning = true
	l.wheel.Begin()
	l.now.Store(l.wheel.Turned())
	go func() {
		ticker := time.NewTicker(tick)
		defer ticker.Stop()
		for range ticker.C {
			if !l.advance() {
				return
			}
		}
	}()
}

// advance deals with what is due, and reports whether to go on.
func (l *live) advance() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.n == 0 {
		l.turning = false
		return false
	}
	wall := time.Now()
	now := l.wheel.TickAt(wall)
	l.now.Store(now)
	l.wheel.Advance(now, func(c *Conn) { l.fire(c, now, wall) })
	return true
}

// schedule puts c where it is next due.
func (l *live) schedule(c *Conn) {
	if due, ok := c.dueAt(l); ok {
		l.wheel.Set(c, due)
	} else {
		l.wheel.Stop(c)
	}
}

// dueAt is the earliest of all that c waits for.
func (c *Conn) dueAt(l *live) (due uint32, ok bool) {
	t := &c.timer
	earliest := func(tick uint32) {
		if !ok || tick < due {
			due, ok = tick, true
		}
	}
	if c.state.cut {
		if at, ok := c.cutAt(); ok {
			earliest(l.wheel.TickAt(at) + 1)
		}
		return due, ok
	}
	if t.end != nil {
		earliest(t.endAt)
	}
	if at := c.expiresAt(); at != never {
		earliest(l.wheel.TickAt(time.Unix(0, at)) + 1)
	}
	if at := c.noticeAt(); at != never {
		earliest(l.wheel.TickAt(time.Unix(0, at)) + 1)
	}
	if interval := c.config.pingTicks; interval > 0 {
		switch pong := c.config.pongTicks; {
		case t.pinged == 0:
			earliest(c.in.seen.Load() + interval)
		case interval < pong && t.pinged+interval > l.now.Load(): // the pong has most likely come
			earliest(t.pinged + interval)
		default:
			earliest(t.pinged + pong)
		}
	}
	return due, ok
}

// cutAt is when a connection that does not end by itself is cut off. There must be one: the upgrade
// of a connection that was ended may take its time.
func (c *Conn) cutAt() (at time.Time, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.end.until.add(lastDrain + tick).time(), c.conn != nil
}

var errNoAnswer = errors.New("upgrade: the client stopped answering")

// fire deals with what is due for c. Whatever may wait for the client happens on another goroutine.
func (l *live) fire(c *Conn, now uint32, wall time.Time) {
	t := &c.timer
	switch {
	case c.state.cut:
		l.wheel.Stop(c)
		go c.lose(errNoAnswer)
		return
	case t.end != nil && now >= t.endAt:
		go c.endWith(t.end.spread(), ByServer)
		t.end = nil
	case c.expiresAt() <= wall.UnixNano():
		c.state.expired = true
		go c.endWith(&tokenExpired, ByServer)
	case c.noticeAt() <= wall.UnixNano():
		c.notify(wall.UnixNano())
	case c.config.pingTicks > 0:
		c.keepAlive(now)
	}
	l.schedule(c)
}

// keepAlive pings a client that was silent while somebody waited for it, and gives up on one that
// stays silent. Where nobody reads, silence means nothing.
func (c *Conn) keepAlive(now uint32) {
	t, seen := &c.timer, c.in.seen.Load()
	if seen >= t.pinged {
		t.pinged = 0
	}
	switch {
	case !c.in.reading.Load():
		t.pinged = 0
		c.in.seen.Store(now)
	case t.pinged != 0 && now-t.pinged >= c.config.pongTicks:
		t.pinged = 0
		go c.lose(errNoAnswer)
	case t.pinged == 0 && now-seen >= c.config.pingTicks:
		t.pinged = now
		c.out.pending.Or(pendingPing)
		go c.kick()
	}
}

// wake has the wheel cut c off, should its end take too long.
func (l *live) wake(c *Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !c.state.gone {
		c.state.cut = true
		l.schedule(c)
	}
}
