package upgradetest

import (
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A stream is one direction of a connection in memory. It keeps what was written together apart: a
// read returns bytes of one write. So a test can tell a close frame that came with the 101 from one
// that followed. Whoever waits does so on a condition, which a bubble of testing/synctest knows.
type stream struct {
	mu            sync.Mutex
	changed       sync.Cond
	writes        [][]byte
	size          int
	ended, closed bool // by the writer, by the reader
	read, write   deadline
}

// socketBuffer is how much a kernel would take from a writer whose peer does not read.
const socketBuffer = 64 << 10

func newStream() *stream {
	s := &stream{}
	s.changed.L = &s.mu
	return s
}

type deadline struct {
	at    time.Time
	timer *time.Timer
}

func (d *deadline) passed() bool { return !d.at.IsZero() && !time.Now().Before(d.at) }

func (s *stream) set(d *deadline, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
	}
	d.at, d.timer = at, nil
	if !at.IsZero() {
		d.timer = time.AfterFunc(time.Until(at), s.wake)
	}
	s.changed.Broadcast()
}

func (s *stream) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changed.Broadcast()
}

func (s *stream) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.closed:
			return 0, net.ErrClosed
		case s.read.passed():
			return 0, os.ErrDeadlineExceeded
		case len(p) == 0:
			return 0, nil
		case len(s.writes) > 0:
			n := copy(p, s.writes[0])
			if s.writes[0] = s.writes[0][n:]; len(s.writes[0]) == 0 {
				s.writes = s.writes[1:]
			}
			s.size -= n
			s.changed.Broadcast()
			return n, nil
		case s.ended:
			return 0, io.EOF
		}
		s.changed.Wait()
	}
}

func (s *stream) Write(p []byte) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch room := socketBuffer - s.size; {
		case s.ended:
			return n, net.ErrClosed
		case s.write.passed():
			return n, os.ErrDeadlineExceeded
		case s.closed:
			return n, io.ErrClosedPipe
		case len(p) == n:
			return n, nil
		case room > 0:
			piece := p[n:min(len(p), n+room)]
			s.writes = append(s.writes, append([]byte(nil), piece...))
			s.size += len(piece)
			n += len(piece)
			s.changed.Broadcast()
		default:
			s.changed.Wait()
		}
	}
}

func (s *stream) end(reader bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if reader {
		s.closed, s.writes = true, nil
	} else {
		s.ended = true
	}
	s.changed.Broadcast()
}

// A memoryConn is one end of a connection in memory.
type memoryConn struct {
	in, out       *stream
	local, remote net.Addr
}

var ports atomic.Uint32

// pair returns the two ends of a connection. The client's address is one of those for documentation
// (RFC 5737), with a port of its own.
func pair() (client, server *memoryConn) {
	up, down := newStream(), newStream()
	at := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: int(1024 + ports.Add(1)%60000)}
	here := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 80), Port: 80}
	return &memoryConn{down, up, at, here}, &memoryConn{up, down, here, at}
}

func (c *memoryConn) Read(p []byte) (int, error)  { return c.in.Read(p) }
func (c *memoryConn) Write(p []byte) (int, error) { return c.out.Write(p) }
func (c *memoryConn) LocalAddr() net.Addr         { return c.local }
func (c *memoryConn) RemoteAddr() net.Addr        { return c.remote }

func (c *memoryConn) CloseWrite() error {
	c.out.end(false)
	return nil
}

func (c *memoryConn) Close() error {
	c.in.end(true)
	c.out.end(false)
	c.SetDeadline(time.Time{}) // no timer stays behind
	return nil
}

func (c *memoryConn) SetDeadline(t time.Time) error {
	c.in.set(&c.in.read, t)
	c.out.set(&c.out.write, t)
	return nil
}

func (c *memoryConn) SetReadDeadline(t time.Time) error {
	c.in.set(&c.in.read, t)
	return nil
}

func (c *memoryConn) SetWriteDeadline(t time.Time) error {
	c.out.set(&c.out.write, t)
	return nil
}

// A listener has a server accept connections in memory.
type listener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

// listen serves h, with net/http's server, to whoever connects.
func listen(t testing.TB, h http.Handler) *listener {
	t.Helper()
	l := &listener{conns: make(chan net.Conn), closed: make(chan struct{})}
	srv := &http.Server{Handler: h, ErrorLog: log.New(io.Discard, "", 0)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		srv.Serve(l)
	}()
	t.Cleanup(func() {
		srv.Close()
		<-done
		if inBubble() { // its time stands still after the test: what ends by itself does so now
			time.Sleep(time.Minute)
		}
	})
	return l
}

func (l *listener) connect(t testing.TB) *Client {
	t.Helper()
	client, server := pair()
	l.conns <- server
	return NewClient(t, client)
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *listener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 80), Port: 80} }
