package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
)

// maxRecorded is how much is kept of what a connection was sent.
const maxRecorded = 4 << 10

// A recordingListener hands out connections that keep what is written to them.
type recordingListener struct {
	net.Listener
	reports *hub
}

func (l *recordingListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &recordedConn{Conn: conn, reports: l.reports}, nil
}

// A recordedConn reports what the server wrote, since begin, whenever there is more of it.
type recordedConn struct {
	net.Conn
	reports *hub

	mu      sync.Mutex
	run     string
	request string
	written []byte
}

// begin starts another recording; a connection that is kept alive carries several requests. "" records nothing.
func (c *recordedConn) begin(run, request string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.run, c.request, c.written = run, request, nil
}

func (c *recordedConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.run != "" {
		c.written = append(c.written, p[:min(n, maxRecorded-len(c.written))]...)
		wire := decodeWire(c.written)
		wire.Request = c.request
		c.reports.publish(report{Run: c.run, Wire: &wire})
	}
	return n, err
}

// CloseWrite is the half-close of the connection inside: whoever wraps a net.Conn should hand it on, the end of a
// linger uses it.
func (c *recordedConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

type recordedConnKey struct{}

// withRecordedConn is for http.Server.ConnContext: it lets handlers find their connection.
func withRecordedConn(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, recordedConnKey{}, conn)
}

// recordRun is a middleware: it begins a recording under the run that the request names, if any.
func recordRun(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if conn, ok := r.Context().Value(recordedConnKey{}).(*recordedConn); ok {
			conn.begin(r.URL.Query().Get("run"), requestText(r))
		}
		next.ServeHTTP(w, r)
	})
}
