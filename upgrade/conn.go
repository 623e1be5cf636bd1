package upgrade

import (
	"errors"
	"net"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
)

// A Conn is an admitted WebSocket connection, as its [Session] has it.
//
// Any number of goroutines may write; one reads at a time. Whole messages go by [Conn.Read] and [Conn.Write], large ones by
// [Conn.Reader] and [Conn.Writer]. Pings are answered while somebody reads; a session that only writes calls
// [Conn.CloseRead].
type Conn struct {
	config      *config
	conn        net.Conn
	ctx         *lazyContext // nil until somebody asks more of the context than to be passed on
	id          uint64
	started     instant
	raw         *rawState // nil until the session asks for it
	seats       *seats
	subprotocol uint8 // its place among config.subprotocols, from 1; 0 for none

	// There are thousands of these, most of them idle: what is rarely there is behind a pointer, and moments are instants.
	mu    sync.Mutex // for end, and for out where it says so
	in    input
	out   output
	end   ending
	timer timer
	place place
}

// ErrClosed is what reads and writes return once this side has closed the connection.
var ErrClosed = errors.New("upgrade: the connection was closed by this side")

// newConn makes a connection that is not there yet: it can be found and ended already, and its frames wait.
func newConn(c *config, subprotocol string) *Conn {
	conn := &Conn{config: c, id: c.ids.Add(1)}
	conn.subprotocol = uint8(1 + slices.Index(c.subprotocols, subprotocol))
	conn.in.limit = c.maxMessageBytes
	conn.out.lock.Lock() // until start
	return conn
}

// Subprotocol returns the subprotocol that was chosen, "" if the client offered none.
func (c *Conn) Subprotocol() string {
	if c.subprotocol == 0 {
		return ""
	}
	return c.config.subprotocols[c.subprotocol-1]
}

// ID returns a number that no other connection of the Upgrader has, as its events do.
func (c *Conn) ID() uint64 { return c.id }

// RemoteAddr returns the address of the peer: of a proxy, if there is one.
func (c *Conn) RemoteAddr() net.Addr { return c.conn.RemoteAddr() }

// start gives the connection its socket, lets waiting frames go, and runs the session on a goroutine of its own.
func (c *Conn) start(conn net.Conn, early []byte, s Session) {
	c.in.buf, c.in.w, c.in.bytes = early, uint32(len(early)), uint64(len(early))
	c.started = now()
	c.mu.Lock()
	c.conn = conn
	conn.SetDeadline(c.end.deadline())
	c.mu.Unlock()
	c.out.lock.Unlock()
	c.config.report(c, Started)
	c.kick()
	go c.run(s)
}

// run and what it calls on the way to a waiting read have small frames: a goroutine's first stack has room for little more than a
// kilobyte, and one that has grown once stays at four.
func (c *Conn) run(s Session) {
	defer c.settleDown()
	if c.over() == nil {
		c.call(s)
	}
}

// call runs the session and closes as its result says. A panic, of the session or of an error's methods, does not end the process.
func (c *Conn) call(s Session) {
	defer func() {
		if x := recover(); x != nil {
			c.panicked(&PanicError{x, debug.Stack()})
		} else {
			c.begin(1011, sessionFailed, ByServer, ErrClosed) // after runtime.Goexit; else it has begun
		}
	}()
	c.finish(s((*sessionContext)(c), c))
}

func (c *Conn) panicked(p *PanicError) {
	c.begin(1011, sessionFailed, ByServer, p)
	c.config.observe(Event{Kind: Panicked, Policy: "session", Err: p, Session: c.info()})
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

// denialIn finds the denying verdict in an error, nil if there is none.
func denialIn(err error) *policy.Verdict {
	if err == nil {
		return nil
	}
	var v policy.Verdict
	if asVerdict(err, &v) && !v.Allowed() {
		return &v
	}
	return nil
}

// asVerdict is errors.As. The error's methods are the user's, and may panic: those of a nil pointer do.
func asVerdict(err error, v *policy.Verdict) (ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	return errors.As(err, v)
}

// A failure is the cause when a session returned an error: that error, and ErrClosed.
type failure struct{ err error }

func (e *failure) Error() string   { return "upgrade: the session failed: " + e.err.Error() }
func (e *failure) Unwrap() []error { return []error{ErrClosed, e.err} }

// closedUnanswered is the client's close frame, if the session left the answer to us.
func (c *Conn) closedUnanswered() *CloseError {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.raw == nil {
		return nil
	}
	return c.raw.peer
}

// settleDown waits for the client's close frame, on a smaller goroutine than the session's, and then lets go of everything.
func (c *Conn) settleDown() {
	c.in.lock.Lock() // a reader that is still there is out by the end of the linger
	defer c.in.lock.Unlock()
	c.mu.Lock()
	over := c.end.received && c.end.sent || c.end.lost
	raw, failed := c.raw, c.end.failed()
	c.end.settled = true
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
	frames.scan(c.in.buffered())
	if frames.inside && failed {
		closeWrite(c.conn) // a close frame would be taken for payload: do not have the client wait for us to see it
	}
	c.config.linger(c.conn, frames, nil, c)
}

// closed notes the client's close frame, seen by the linger. Where our own is still on its way there is something to wait for: its
// writer will close the connection.
func (c *Conn) closed() bool {
	c.gotClose()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.end.sent || c.end.lost
}

// lingered is the end of the connection. Shutdown waits for the report too: a program may end behind it.
func (c *Conn) lingered() {
	c.in.r, c.in.w = 0, 0
	c.in.free()
	l := &c.config.live
	l.remove(c, 1)
	c.config.report(c, Ended)
	l.reported()
}

// An ending is how a connection ends. The first to begin it says how.
type ending struct {
	begun    bool
	sent     bool // our close frame is on its way
	received bool // the client's has come
	lost     bool // the connection is gone: nothing can be sent any more
	settled  bool // the session is over
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

// failed reports whether the close frame is out and what the client sends is not understood any more (RFC 6455 §7.1.7). A message that is
// only too big is: its end comes, and a close frame behind it.
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

// Close closes the connection with a denial's code and reason, after the profile. The session's reads and writes return
// [ErrClosed] from then on and its context is cancelled, with v as the cause; the close frame goes out as soon as the frame
// ends that is being written. The connection waits for the client's close frame within [Upgrader.LingerTimeout]. The first to close a
// connection counts: it returns [ErrClosed] afterwards. A client that does not read may hold it up for [Upgrader.WriteTimeout]; [Upgrader.End] is
// never held up. It panics if v allows. It is safe for concurrent use.
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

// A closedError is the cause of a context that a verdict cancelled: the verdict, and ErrClosed.
type closedError struct{ verdict policy.Verdict }

func (e *closedError) Error() string   { return "upgrade: closed: " + e.verdict.Error() }
func (e *closedError) Unwrap() []error { return []error{ErrClosed, e.verdict} }

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
	c.mu.Unlock()
	c.config.live.wake(c)
	c.out.pending.Or(pendingClose)
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

// over returns why nothing can be read or written any more, nil while it can. Whoever is told finds the context at its end too, though
// the close frame may still be on its way.
func (c *Conn) over() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.end.begun {
		return nil
	}
	if c.ctx != nil {
		c.ctx.cancel(c.end.cause)
	}
	return c.end.cause
}

// sentClose and gotClose note the two close frames. When both have passed, the connection is over: the server closes it first
// (RFC 6455 §7.1.1).
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

// echoed is the code that answers a client's close frame (RFC 6455 §5.5.1): its own; 0 for a frame without one.
func echoed(code uint16) uint16 {
	switch {
	case code == 1005:
		return 0
	case !codes.Sendable(code):
		return 1002
	}
	return code
}
