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
	conn.SetDeadline(time.Time{})
	ended := c.end.begun
	if ended {
		c.bound() // the linger's time runs from now: there was nobody to send a close frame to
	}
	c.mu.Unlock()
	if ended {
		c.config.live.wake(c)
	}
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
			c.panicked(&PanicError{Value: x, Stack: debug.Stack()})
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
	frames.Scan(c.in.buffered())
	c.config.linger(c.conn, frames, nil, failed || !c.mayLinger(), c)
}

// youth is the age up to which a connection that ends may be one that its session refused: by a first
// message, say, that brought no good token.
const youth = 10 * time.Second

// mayLinger reports whether there is room to wait for the client. It is bounded where clients could have
// connections end at will; old ones may end all at once.
func (c *Conn) mayLinger() bool {
	if time.Duration(now()-c.started) >= youth {
		return true
	}
	c.place.young = c.config.young.take()
	return c.place.young
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
	if c.place.young {
		c.config.young.give()
	}
	l := &c.config.live
	l.remove(c, 1)
	c.config.report(c, Ended)
	l.reported()
}
