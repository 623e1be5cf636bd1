package transport

import (
	"cmp"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// A Stream is the stream of an extended CONNECT as a [net.Conn]. What a socket does and net/http's
// streams do not, it adds: a read deadline that can be moved when it has passed, a write deadline
// that means nothing while nobody writes, and a Close that ends both at once.
//
// Three goroutines meet here. The handler's own, in stay, is the only one that reads the request's
// body, a piece at a time, and waits while nobody takes it: then the client runs out of its window,
// and no other stream does. Whoever calls Write fills net/http's buffer and has a goroutine flush
// it, which can be left behind: a flush ends when its stream is reset, and the reset may wait
// without bound for a client that takes no bytes at all. So what is larger than that buffer is
// copied. The handler stays for what is left behind, so that nothing touches the ResponseWriter
// after it.
type Stream struct {
	outer http.ResponseWriter // with the middlewares' wrappers, for the header
	w     streamWriter
	body  io.Reader
	addrs addrs
	major int    // version of HTTP
	run   func() // flush, bound once, so that starting the goroutine allocates nothing

	mu  sync.Mutex
	in  sync.Cond // Read waits for the body, a deadline or the end; the handler for room, or the end
	out sync.Cond // Write waits for its flush, a deadline or the end; the handler for who uses w

	have   []byte // was read of the body and is not taken
	err    error  // the body's end, behind have
	pumped bool   // the body is not read any more
	closed bool

	flushing bool
	piece    *[large]byte // what the flush writes before; nil for nothing
	size     int          // of it
	broken   error        // of a write that failed or was left behind
	using    int          // goroutines that use w

	readBy, writeBy deadline
	small           [512]byte
}

// A streamWriter is what net/http's own writer of a stream can do. That of an HTTP/1.1 connection can
// too, and is never asked.
type streamWriter interface {
	http.ResponseWriter
	FlushError() error
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
}

var past = time.Unix(1, 0)

// newStream finds the writer that the middlewares have wrapped. Frames go to it directly, as they do
// where a socket was hijacked: a wrapper that counts, compresses or keeps what is written would see
// a response without end.
func newStream(w http.ResponseWriter, r *http.Request) (*Stream, error) {
	inner := w
	for {
		u, ok := inner.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			break
		}
		inner = u.Unwrap()
	}
	sw, ok := inner.(streamWriter)
	if !ok {
		return nil, &HijackError{Writer: inner, Err: http.ErrNotSupported, Stream: true}
	}
	// The server's timeouts are those of a request.
	if err := errors.Join(sw.SetReadDeadline(time.Time{}), sw.SetWriteDeadline(time.Time{})); err != nil {
		return nil, &HijackError{Writer: inner, Err: err, Stream: true}
	}
	s := &Stream{outer: w, w: sw, body: r.Body, addrs: addrsOf(r), major: r.ProtoMajor}
	s.in.L, s.out.L, s.run = &s.mu, &s.mu, s.flush
	return s, nil
}

// answer sends the header, and out behind it. Wrappers see the status.
func (s *Stream) answer(out []byte) error {
	s.outer.WriteHeader(http.StatusOK)
	_, err := s.write(out, true)
	return err
}

// stay reads for the stream until it is closed and nobody uses the ResponseWriter any more.
func (s *Stream) stay() {
	s.pump()
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.closed || s.using > 0 {
		s.out.Wait()
	}
}

// unuse notes that a goroutine is done with w. mu is held.
func (s *Stream) unuse() {
	s.using--
	s.out.Broadcast()
}

// Close ends the stream, and what is waiting on it. What was written goes out, and END_STREAM behind
// it when the handler returns; a write that is under way is given up.
func (s *Stream) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return net.ErrClosed
	}
	s.closed = true
	s.readBy.stop()
	s.writeBy.stop()
	s.using++
	s.mu.Unlock()
	err := s.w.SetReadDeadline(past) // ends the body, whoever has wrapped it; nothing waits for it
	s.mu.Lock()
	s.in.Broadcast()
	s.unuse()
	return err
}

// SetReadDeadline is as of any [net.Conn].
func (s *Stream) SetReadDeadline(t time.Time) error { return s.setDeadline(t, &s.readBy, &s.in) }

// SetWriteDeadline is as of any [net.Conn].
func (s *Stream) SetWriteDeadline(t time.Time) error { return s.setDeadline(t, &s.writeBy, &s.out) }

// SetDeadline sets both.
func (s *Stream) SetDeadline(t time.Time) error {
	return cmp.Or(s.SetReadDeadline(t), s.SetWriteDeadline(t))
}

func (s *Stream) setDeadline(t time.Time, d *deadline, waiting *sync.Cond) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return net.ErrClosed
	}
	d.set(t, waiting)
	return nil
}

// LocalAddr returns the address of the server, nil where the server does not tell.
func (s *Stream) LocalAddr() net.Addr { return s.addrs.local }

// RemoteAddr returns the request's, which a middleware may have rewritten: there is no socket to ask.
func (s *Stream) RemoteAddr() net.Addr { return s.addrs.remote }

type addrs struct{ local, remote net.Addr }

func addrsOf(r *http.Request) (a addrs) {
	a.local, _ = r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if at, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		a.remote = net.TCPAddrFromAddrPort(at)
	} else {
		a.remote = textAddr(r.RemoteAddr)
	}
	return a
}

// A textAddr is an address that a middleware made up.
type textAddr string

func (a textAddr) Network() string { return "tcp" }
func (a textAddr) String() string  { return string(a) }
