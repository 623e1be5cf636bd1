package upgrade_test

import (
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// A tap records what a server does with one connection.
type tap struct {
	*net.TCPConn
	mu     sync.Mutex
	ops    []string // "read", "write", "fin", "close", neighbours of one kind once
	writes []int    // sizes
	read   int      // bytes, when the end came
	closed chan struct{}
}

func (c *tap) record(op string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.ops) == 0 || c.ops[len(c.ops)-1] != op {
		c.ops = append(c.ops, op)
	}
	switch op {
	case "read":
		c.read += n
	case "write":
		c.writes = append(c.writes, n)
	}
}

func (c *tap) Read(p []byte) (int, error) {
	n, err := c.TCPConn.Read(p)
	if n > 0 {
		c.record("read", n)
	}
	return n, err
}

func (c *tap) Write(p []byte) (int, error) {
	n, err := c.TCPConn.Write(p)
	c.record("write", n)
	return n, err
}

func (c *tap) CloseWrite() error {
	c.record("fin", 0)
	return c.TCPConn.CloseWrite()
}

func (c *tap) Close() error {
	c.record("close", 0)
	err := c.TCPConn.Close()
	select {
	case <-c.closed:
	default:
		close(c.closed)
	}
	return err
}

// log waits for the end of the connection and returns what was done, in order.
func (c *tap) log(t testing.TB) (ops string, writes []int, read int) {
	t.Helper()
	receive(t, c.closed)
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Join(c.ops, " "), c.writes, c.read
}

type tapListener struct {
	net.Listener
	taps chan *tap
}

func (l tapListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &tap{TCPConn: conn.(*net.TCPConn), closed: make(chan struct{})}
	l.taps <- c
	return c, nil
}

// newTapped serves h on a socket whose server side is recorded.
func newTapped(t testing.TB, h http.Handler) (addr string, taps <-chan *tap) {
	t.Helper()
	srv := httptest.NewUnstartedServer(h)
	ch := make(chan *tap, 1000)
	srv.Listener = tapListener{srv.Listener, ch}
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.Start()
	t.Cleanup(srv.Close)
	return srv.Listener.Addr().String(), ch
}

// ways serves h over TCP and over TLS, and returns how to connect.
func ways(t testing.TB, h http.Handler) map[string]func(testing.TB) *client {
	t.Helper()
	addr := newServer(t, h)
	srv := httptest.NewTLSServer(h)
	t.Cleanup(srv.Close)
	config := srv.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	config.NextProtos = []string{"http/1.1"}
	config.ServerName = "example.com"
	return map[string]func(testing.TB) *client{
		"TCP": func(t testing.TB) *client { return dial(t, addr) },
		"TLS": func(t testing.TB) *client {
			conn, err := tls.Dial("tcp", srv.Listener.Addr().String(), config)
			if err != nil {
				t.Fatal(err)
			}
			return newClient(t, conn)
		},
	}
}
