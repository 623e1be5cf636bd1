package upgrade

import (
	"runtime/debug"
	"time"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/upgrade/internal/transport"
)

// run and what it calls on the way to a waiting read have small frames: a goroutine's first stack
// has room for little more than a kilobyte, and one that has grown once stays at four.
func (c *Conn) run(s Session) {
	defer func() {
		c.begin(1011, sessionFailed, ByServer, ErrClosed) // after runtime.Goexit; else it has begun
		c.awaitClose()
	}()
	if c.over() != nil {
		return
	}
	if p := c.call(s); p != nil {
		c.panicked(p)
	}
}

// call runs the session and closes as its result says. A panic, of the session or of an error's
// methods, does not end the process; after runtime.Goexit call does not return.
func (c *Conn) call(s Session) (p *PanicError) {
	returned := false
	defer func() {
		if !returned { // recover alone does not tell: panic(nil) is nil under GODEBUG=panicnil=1
			p = &PanicError{Value: recover(), Stack: debug.Stack()}
		}
	}()
	err := s((*sessionContext)(c), c)
	c.flushOutbox()
	c.finish(err)
	returned = true
	return nil
}

func (c *Conn) panicked(p *PanicError) {
	c.begin(1011, sessionFailed, ByServer, p)
	c.config.observe(Event{Kind: Panicked, Context: c.eventContext(), ProtoMajor: transport.ProtoMajor(c.conn), Policy: "session", Err: p, Session: c.info()})
}

var sessionFailed = codes.NewReason("internal_error", codes.InternalServerError.Action(), 0)

// finish closes as the session's result says, unless the connection has been closed already.
func (c *Conn) finish(err error) {
	if v := denialIn(err); v != nil {
		c.endWith(v, ByServer)
		return
	}
	switch e := c.closedUnanswered(); {
	case e != nil:
		c.begin(echoed(e.Code), codes.Reason{}, ByClient, e)
	case err == nil:
		c.begin(1000, codes.Reason{}, ByServer, ErrClosed)
	default:
		c.begin(1011, sessionFailed, ByServer, &failure{err})
	}
}

// closedUnanswered is the client's close frame, if the session left the answer to us.
func (c *Conn) closedUnanswered() *CloseError {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.raw == nil {
		return nil
	}
	return c.raw.peer
}

// awaitClose waits for the client's close frame, on a smaller goroutine than the session's, and
// then lets go of everything.
func (c *Conn) awaitClose() {
	c.in.lock.Lock() // a reader that is still there is out by the end of the linger
	defer c.in.lock.Unlock()
	c.mu.Lock()
	over := c.end.received && c.end.sent || c.end.lost
	raw, failed, until := c.raw, c.end.failed(), c.end.until
	c.end.returned = true
	c.mu.Unlock()
	frames := c.in.rest()
	if raw != nil {
		frames = raw.in
		raw.ended = true
	}
	if over {
		c.conn.Close()
		c.lingered()
		return
	}
	frames.Scan(c.in.buffered())
	c.config.linger(c.conn, frames, nil, until, failed || !c.mayLinger(), c)
}

// youth is the age up to which a connection that ends may be one that its session refused: by a first
// message, say, that brought no good token.
const youth = 10 * time.Second

// mayLinger reports whether there is room to wait for the client. It is bounded where clients could
// have connections end at will; old ones may end all at once.
func (c *Conn) mayLinger() bool {
	if time.Duration(now()-c.started) >= youth {
		return true
	}
	c.state.young = c.config.young.take()
	return c.state.young
}

// closed notes the client's close frame, seen by the linger. Where our own is still on its way
// there is something to wait for: its writer will close the connection.
func (c *Conn) closed() bool {
	c.gotClose()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.end.sent || c.end.lost
}

// written returns when our own close frame is out, or cannot go out any more. The client may have it
// before its writer has returned; to close a stream under a write is to reset it. A write ends in
// time, and the wheel cuts off what does not.
func (c *Conn) written() {
	c.out.lock.Lock()
	defer c.out.lock.Unlock()
	if c.out.pending.Load() != 0 {
		c.flush()
	}
}

// lingered is the end of the connection. Shutdown waits for the report too: a program may end
// behind it.
func (c *Conn) lingered() {
	c.in.r, c.in.w = 0, 0
	c.in.free()
	if c.state.young {
		c.config.young.give()
	}
	l := &c.config.live
	l.remove(c, 1)
	c.config.report(c, Ended)
	l.reported()
}
