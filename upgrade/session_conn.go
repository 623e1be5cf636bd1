package upgrade

import (
	"net"
	"slices"
	"sync"
	"time"

	"github.com/wsverdict/wsverdict/upgrade/internal/transport"
)

// A Conn is an admitted WebSocket connection, as its [Session] has it.
//
// Any number of goroutines may write; one reads at a time. Whole messages go by [Conn.Read] and
// [Conn.Write], large ones by [Conn.Reader] and [Conn.Writer]. Pings are answered while somebody
// reads; a session that only writes calls [Conn.CloseRead].
type Conn struct {
	config      *config
	conn        net.Conn
	ctx         *lazyContext // nil until it is more than a context to be passed on
	id          uint64
	started     instant
	raw         *rawState // nil until the session asks for it
	seats       *seats
	outbox      *outbox // what Send was given and is not written yet; nil for nothing; guarded by mu
	state       state
	subprotocol uint8 // its place among config.subprotocols, from 1; 0 for none

	// There are thousands of these, most of them idle: what is rarely there is behind a pointer,
	// and moments are instants.
	mu    sync.Mutex // for end, and for out where it says so
	in    input
	out   output
	end   ending
	timer timer
	place place
}

// newConn makes a connection whose handshake is not answered yet. It can be found and ended already;
// what it would send waits for start.
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

// start gives the connection its socket, sends what has waited, and runs the session on a goroutine
// of its own.
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
	if c.outbox != nil {
		go c.outbox.run()
	}
	c.mu.Unlock()
	if ended {
		c.config.live.wake(c)
	}
	c.out.lock.Unlock()
	c.config.report(c, Started)
	c.tellObserver()
	switch {
	case transport.ProtoMajor(conn) == 1:
		c.kick()
	case c.out.pending.Load() != 0:
		go c.kick() // this goroutine goes on to read for the stream, and a write that fails waits for that
	}
	go c.run(s)
}
