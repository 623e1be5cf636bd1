package upgrade

import (
	"cmp"
	"net"
	"sync"
	"time"

	"github.com/wsverdict/wsverdict/upgrade/internal/frame"
)

// NetConn returns the connection underneath, for gobwas/ws, its wsutil, and deadlines. What the
// client sent right behind its handshake is read from it first. It follows the frames that pass in
// both directions: frames that the Upgrader writes (a ping, a close frame) go between those of the
// session, never into one, though gobwas writes a frame in two calls.
//
// Who reads raw frames answers pings and close frames: whoever reads by wsutil writes as well. So
// each goroutine calls NetConn for itself; what it returns must not be shared by two that write.
// One goroutine reads. Use either NetConn or the messages of [Conn], not both. Its Close cuts the
// connection off without a close frame.
func (c *Conn) NetConn() net.Conn {
	c.mu.Lock() // not the reader's lock, which is held for as long as a read waits
	defer c.mu.Unlock()
	if c.raw == nil {
		c.raw = &rawState{in: frame.Scanner{Keep: true}, ended: c.end.returned}
		c.disarm()
	}
	return &rawConn{Conn: c.conn, c: c, rawState: c.raw, out: frame.Scanner{Keep: true}}
}

// A rawState is what all raw connections of a Conn share.
type rawState struct {
	peer     *CloseError // the client's close frame; guarded by Conn.mu
	deadline time.Time   // of writes, the session's own; guarded by Conn.mu

	holder *rawConn // is within a frame, and holds the output's lock; guarded by Conn.mu

	in    frame.Scanner // the reader's
	ended bool          // the session is over, and what comes is not its own any more; the reader's
}

// A rawConn is one writer's: which frame a piece belongs to cannot be told from its bytes.
type rawConn struct {
	net.Conn
	c *Conn
	*rawState

	writing sync.Mutex // for two goroutines that share it against the rules: frames are spoilt, and nothing else
	out     frame.Scanner
	mid     bool // within a frame that is being written: the output's lock is held
}

func (r *rawConn) Read(p []byte) (n int, err error) {
	c := r.c
	c.in.lock.Lock()
	defer c.in.lock.Unlock()
	if r.ended {
		return 0, ErrClosed
	}
	c.waits()
	if early := c.in.buffered(); len(early) > 0 {
		n = copy(p, early)
		c.in.r += uint32(n)
	} else {
		n, err = r.Conn.Read(p)
		c.saw(n)
	}
	c.waited()
	c.in.messages += r.in.Scan(p[:n])
	switch {
	case r.in.Closed:
		e := closeErrorOf(&r.in)
		c.mu.Lock()
		r.peer = e
		c.mu.Unlock()
		c.gotClose()
		c.cancel()
	case err != nil && c.over() == nil && !isTimeout(err): // a deadline of the session's own is its own affair
		c.lose(err)
	}
	return n, err
}

func (r *rawConn) Write(p []byte) (int, error) {
	c := r.c
	r.writing.Lock()
	defer r.writing.Unlock()
	if !r.mid {
		c.out.lock.Lock()
		if err := c.over(); err != nil {
			c.release()
			return 0, err
		}
	}
	n, err := r.Conn.Write(p)
	c.out.bytes.Add(uint64(n))
	c.out.messages.Add(r.out.Scan(p[:n]))
	r.hold(err == nil && !r.out.Between())
	switch {
	case err != nil:
		c.lose(err)
	case r.out.Closed:
		c.closedRaw(closeErrorOf(&r.out))
	}
	if !r.mid {
		c.release()
	}
	return n, err
}

func (r *rawConn) hold(mid bool) {
	if mid == r.mid {
		return
	}
	r.c.mu.Lock()
	if r.mid, r.holder = mid, nil; mid {
		r.holder = r
	}
	r.c.mu.Unlock()
}

// abandon lets go of the output where a frame was begun and never ended: others that write would
// wait for ever.
func (r *rawConn) abandon() {
	r.writing.Lock()
	defer r.writing.Unlock()
	if r.mid {
		r.hold(false)
		r.c.release()
	}
}

// Deadlines of the session do not outlast the connection's end.

func (r *rawConn) SetReadDeadline(t time.Time) error { return r.setDeadline(t, true, false) }

func (r *rawConn) SetWriteDeadline(t time.Time) error { return r.setDeadline(t, false, true) }

func (r *rawConn) SetDeadline(t time.Time) error { return r.setDeadline(t, true, true) }

func (r *rawConn) setDeadline(t time.Time, read, write bool) error {
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	if r.c.end.begun {
		return nil
	}
	var err error
	if read {
		err = r.Conn.SetReadDeadline(t)
	}
	if write {
		r.deadline = t
		err = cmp.Or(err, r.Conn.SetWriteDeadline(t))
	}
	return err
}

// disarm puts the session's own write deadline back behind a frame of ours, where the session
// writes raw bytes; it reports whether it does. mu is held.
func (c *Conn) disarm() bool {
	if c.raw == nil {
		return false
	}
	if !c.end.begun {
		c.conn.SetWriteDeadline(c.raw.deadline)
	}
	return true
}

func (r *rawConn) Close() error {
	r.c.lose(net.ErrClosed)
	return nil
}

func isTimeout(err error) bool {
	timeout, ok := err.(net.Error)
	return ok && timeout.Timeout()
}
