package upgrade

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
)

// A Conn is an admitted WebSocket connection, as its [Session] has it.
type Conn struct {
	config      *config
	wire        wire
	subprotocol string
	session     Session
}

// ErrClosed is what writes return after [Conn.Close], and reads and writes after the session has returned.
var ErrClosed = errors.New("upgrade: the connection was closed by this side")

func newConn(c *config, conn net.Conn, subprotocol string, early []byte) *Conn {
	return &Conn{config: c, subprotocol: subprotocol, wire: wire{Conn: conn, early: early, in: scanner{keep: true}}}
}

// Subprotocol returns the subprotocol that was chosen, "" if the client offered none.
func (c *Conn) Subprotocol() string { return c.subprotocol }

// NetConn returns the connection underneath, for gobwas/ws, its wsutil, and deadlines. What the client sent right behind its
// handshake is read from it first. It follows the frames that pass: frames that the Upgrader writes (see
// [Conn.Close]) go between those of the session, never into one. One goroutine may write whole frames to it while another
// reads; its Close cuts the connection off without a close frame.
func (c *Conn) NetConn() net.Conn { return &c.wire }

// Close closes the connection with a denial's code and reason (after the profile): it writes a close frame, as soon as the
// session stands between two frames, and makes the session's reads end within [Upgrader.LingerTimeout]. Writes fail
// with [ErrClosed] from then on. The first Close counts; it returns [ErrClosed] afterwards. It panics if v allows. It is safe for
// concurrent use.
func (c *Conn) Close(v policy.Verdict) error {
	if v.Allowed() {
		panic("upgrade: Conn.Close with an allowing verdict")
	}
	var buf [2 + 125]byte
	frame := appendClose(buf[:0], c.config.closeCode(&v, v.Reason()), v.Reason())
	return c.wire.close(frame, c.config)
}

// start runs the session on a goroutine of its own.
func (c *Conn) start(s Session) {
	c.session = s
	c.wire.Conn.SetDeadline(time.Time{})
	go c.run()
}

func (c *Conn) run() {
	ctx, cancel := context.WithCancelCause(context.Background())
	c.wire.cancel = cancel
	err := c.call(ctx)
	c.finish(err)
	cancel(ErrClosed)
}

// call runs the session, and keeps its panic from ending the process.
func (c *Conn) call(ctx context.Context) (err error) {
	defer func() {
		if x := recover(); x != nil {
			p := &PanicError{x, debug.Stack()}
			err = p
			c.config.observe(Event{Kind: Panicked, Policy: "session", Err: p})
		}
	}()
	return c.session(ctx, c)
}

// finish ends the connection as the session's result says, unless a close frame has gone out already, and waits for the
// client's within bounds.
func (c *Conn) finish(err error) {
	w := &c.wire
	// A reader and a writer that the session left behind let go of their locks, and leave the client's answer to us.
	w.ended.Store(true)
	w.Conn.SetReadDeadline(started)
	w.Conn.SetWriteDeadline(time.Now().Add(c.config.writeTimeout))
	w.rmu.Lock()
	frames, early := w.in, w.early
	w.rmu.Unlock()
	w.mu.Lock()
	cut := w.broken || !w.out.between() // a frame was left unfinished: nothing can follow it
	sent := w.out.closed
	w.closing = true
	w.mu.Unlock()
	if !cut && !sent {
		var buf [2 + 125]byte
		w.Conn.SetWriteDeadline(time.Now().Add(c.config.writeTimeout))
		_, werr := w.Conn.Write(c.lastFrame(buf[:0], err, &frames))
		cut = werr != nil
	}
	if cut {
		w.Conn.Close()
		return
	}
	w.Conn.SetReadDeadline(time.Now().Add(c.config.lingerTimeout))
	c.config.lingerFrom(w.Conn, frames, early, nil)
}

// lastFrame is the close frame that a session's result asks for.
func (c *Conn) lastFrame(dst []byte, err error, in *scanner) []byte {
	var v policy.Verdict
	switch {
	case errors.As(err, &v) && !v.Allowed():
		return appendClose(dst, c.config.closeCode(&v, v.Reason()), v.Reason())
	case in.closed:
		return appendEcho(dst, in.closeError())
	case err == nil:
		return appendClose(dst, 1000, codes.Reason{})
	}
	return appendClose(dst, 1011, codes.NewReason("internal_error", codes.InternalServerError.Action(), 0))
}

// A wire is the connection with an eye on the frames that pass.
type wire struct {
	net.Conn
	cancel context.CancelCauseFunc

	ended atomic.Bool // the session has returned

	rmu   sync.Mutex // held during a read
	early []byte     // read before the session began
	in    scanner

	mu      sync.Mutex
	out     scanner
	closing bool
	broken  bool
	pending []byte // a close frame that waits for the end of the session's frame
}

func (w *wire) Read(p []byte) (n int, err error) {
	w.rmu.Lock()
	defer w.rmu.Unlock()
	switch {
	case w.ended.Load():
		return 0, ErrClosed
	case len(w.early) > 0:
		n = copy(p, w.early)
		w.early = w.early[n:]
		if len(w.early) == 0 {
			w.early = nil
		}
	default:
		n, err = w.Conn.Read(p)
	}
	w.in.scan(p[:n])
	switch {
	case w.in.closed:
		w.cancel(w.in.closeError())
	case err != nil && !errors.Is(err, os.ErrDeadlineExceeded): // a deadline says nothing of the peer
		w.cancel(err)
	}
	return n, err
}

func (w *wire) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closing && (w.out.between() || w.pending == nil) {
		return 0, ErrClosed
	}
	n, err := w.Conn.Write(p)
	w.out.scan(p[:n])
	if err != nil {
		w.broken = true
		return n, err
	}
	if w.pending != nil && w.out.between() {
		err = w.send(w.pending)
		w.pending = nil
	}
	return n, err
}

// send writes a frame of our own. w.mu is held and the session stands between frames.
func (w *wire) send(frame []byte) error {
	_, err := w.Conn.Write(frame)
	w.out.scan(frame)
	w.broken = w.broken || err != nil
	return err
}

func (w *wire) close(frame []byte, c *config) error {
	// A write that a slow reader holds up ends within these bounds, and the lock comes free.
	w.Conn.SetWriteDeadline(time.Now().Add(c.writeTimeout))
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closing || w.out.closed {
		return ErrClosed
	}
	w.closing = true
	w.Conn.SetReadDeadline(time.Now().Add(c.lingerTimeout))
	switch {
	case w.broken:
		return io.ErrClosedPipe
	case !w.out.between():
		w.pending = append([]byte(nil), frame...)
		return nil
	}
	return w.send(frame)
}
