package upgrade

import (
	"time"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
)

// An ending is how a connection ends. The first to begin it says how.
type ending struct {
	begun    bool
	sent     bool // our close frame is on its way
	received bool // the client's has come
	lost     bool // the connection is gone: nothing can be sent any more
	returned bool // the session has
	by       ClosedBy
	code     uint16
	reason   *codes.Reason // until the close frame is written
	cause    error
	until    instant // of the linger
}

// deadline is that of reads: none until the end has begun.
func (e *ending) deadline() time.Time {
	if !e.begun {
		return time.Time{}
	}
	return e.until.time()
}

// failed reports whether the close frame is out and what the client sends is not understood any
// more (RFC 6455 §7.1.7). A message that is only too big is: its end comes, and a close frame
// behind it.
func (e *ending) failed() bool {
	fault, ok := e.cause.(*ProtocolError)
	return ok && e.sent && fault.Code != 1009
}

// A ClosedBy says who ended a connection.
type ClosedBy uint8

const (
	// ByServer: the session, a verdict, or a fault that this side found.
	ByServer ClosedBy = iota + 1
	// ByClient: the client sent its close frame first.
	ByClient
	// ByNetwork: the connection broke, or the client stopped answering.
	ByNetwork
)

var closedByNames = [...]string{"", "server", "client", "network"}

// String returns a word fit for a metric's label.
func (b ClosedBy) String() string { return word(closedByNames[:], int(b)) }

// Close closes the connection with a denial's code and reason, after the profile. The session's
// reads and writes return [ErrClosed] from then on and its context is cancelled, with v as the
// cause; the close frame goes out as soon as the frame ends that is being written. The connection
// waits for the client's close frame within [Upgrader.LingerTimeout]. The first to close a
// connection counts: it returns [ErrClosed] afterwards. A client that does not read may hold it up
// for [Upgrader.WriteTimeout]; [Upgrader.End] is never held up. It panics if v allows. It is safe
// for concurrent use.
func (c *Conn) Close(v policy.Verdict) error {
	if v.Allowed() {
		panic("upgrade: Conn.Close with an allowing verdict")
	}
	if !c.endWith(&v, ByServer) {
		return ErrClosed
	}
	return nil
}

func (c *Conn) endWith(v *policy.Verdict, by ClosedBy) bool {
	reason := v.Reason()
	return c.begin(c.config.closeCode(v, reason), reason, by, &closedError{*v})
}

// begin begins the end with a close frame. It returns false if it had begun.
func (c *Conn) begin(code uint16, reason codes.Reason, by ClosedBy, cause error) bool {
	e := &c.end
	c.mu.Lock()
	if e.begun {
		c.mu.Unlock()
		return false
	}
	e.begun, e.code, e.reason, e.by, e.cause = true, code, &reason, by, cause
	c.bound()
	c.out.pending.Or(pendingClose) // under mu: who sees that the end has begun finds the frame pending, being written or sent
	c.mu.Unlock()
	c.config.live.wake(c)
	c.kick()
	c.cancel()
	return true
}

// bound makes reads and writes that are under way end in time. mu is held.
func (c *Conn) bound() {
	c.end.until = now().add(c.config.lingerTimeout)
	if c.conn != nil {
		c.conn.SetReadDeadline(c.end.deadline())
		c.conn.SetWriteDeadline(after(c.config.writeTimeout))
	}
}

// closedRaw notes that the session wrote a close frame of its own.
func (c *Conn) closedRaw(sent *CloseError) {
	e := &c.end
	c.mu.Lock()
	if !e.begun {
		e.begun, e.code, e.by, e.cause = true, sent.Code, ByServer, ErrClosed
		if peer := c.raw.peer; peer != nil {
			e.by, e.cause = ByClient, peer
		}
		c.bound()
	}
	c.mu.Unlock()
	c.config.live.wake(c)
	c.cancel()
	c.sentClose()
}

// lose ends the connection without a close frame: there is nobody to read it.
func (c *Conn) lose(err error) {
	e := &c.end
	c.mu.Lock()
	if !e.begun {
		e.begun, e.code, e.by, e.cause = true, 1006, ByNetwork, err
	}
	e.lost = true
	conn := c.conn
	var holder *rawConn
	if c.raw != nil {
		holder = c.raw.holder
	}
	c.mu.Unlock()
	c.cancel()
	if conn != nil {
		conn.Close() // not under the lock: over TLS it may wait for seconds
	}
	if holder != nil {
		holder.abandon()
	}
}

// over returns why nothing can be read or written any more, nil while it can. Whoever is told finds
// the context at its end too, though the close frame may still be on its way.
func (c *Conn) over() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.end.begun {
		return nil
	}
	c.ctx.end(c.end.cause)
	return c.end.cause
}

// sentClose and gotClose note the two close frames. When both have passed, the connection is over:
// the server closes it first (RFC 6455 §7.1.1).
func (c *Conn) sentClose() {
	c.mu.Lock()
	c.end.sent = true
	both := c.end.received
	c.mu.Unlock()
	if both {
		c.conn.Close()
	}
}

func (c *Conn) gotClose() {
	c.mu.Lock()
	c.end.received = true
	both := c.end.sent
	c.mu.Unlock()
	if both {
		c.conn.Close()
	}
}
