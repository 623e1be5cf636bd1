package upgrade_test

import (
	"bufio"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wsverdict/wsverdict/upgrade"
)

type hijack func(w http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error)

// hijackWriter is a foreign writer with its own idea of hijacking.
type hijackWriter struct {
	http.ResponseWriter
	hijack
}

func (w hijackWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return w.hijack(w.ResponseWriter)
}

// hijacker is a middleware that puts a foreign Hijacker in the way.
func hijacker(h hijack) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(hijackWriter{w, h}, r) })
	}
}

var errBroken = errors.New("broken pipe")

type brokenConn struct{ net.Conn }

func (brokenConn) Write([]byte) (int, error) { return 0, errBroken }

func brokenPipe(w http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error) {
	conn, buf, err := w.(http.Hijacker).Hijack()
	buf.Writer.Reset(brokenConn{conn})
	return brokenConn{conn}, buf, err
}

// opaqueWriter hides what it wraps; through what wraps it, it is found.
type opaqueWriter struct{ inner http.ResponseWriter }

func (w opaqueWriter) Header() http.Header         { return w.inner.Header() }
func (w opaqueWriter) Write(p []byte) (int, error) { return w.inner.Write(p) }
func (w opaqueWriter) WriteHeader(status int)      { w.inner.WriteHeader(status) }

type wrapping struct{ http.ResponseWriter }

func (w wrapping) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func opaque(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(wrapping{opaqueWriter{w}}, r) })
}

func TestHijackFailureNamesTheType(t *testing.T) {
	refused := func(http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error) { return nil, nil, errBroken }
	for _, tc := range []struct {
		name  string
		outer func(http.Handler) http.Handler
		is    error
		typ   string
	}{
		{"neither Hijack nor Unwrap", opaque, http.ErrNotSupported, "upgrade_test.opaqueWriter"},
		{"error", hijacker(refused), errBroken, "upgrade_test.hijackWriter"},
	} {
		events := newRecorder()
		up := &upgrade.Upgrader{Observer: events}
		for _, h := range []http.Handler{up.Use(always(expired))(forbidden(t)), up.Handler(run(idle))} {
			c, res := handshake(t, newServer(t, tc.outer(h)))
			if res.StatusCode != 401 && res.StatusCode != 500 {
				t.Errorf("%s: got %s", tc.name, res.Status)
			}
			e := events.Next(t)
			var he *upgrade.HijackError
			if !errors.Is(e.Err, tc.is) || !errors.As(e.Err, &he) || !strings.Contains(e.Err.Error(), tc.typ) {
				t.Errorf("%s: got error %v", tc.name, e.Err)
			}
			c.wantEOF() // the connection is still net/http's, which ends it
		}
	}
}

// Foreign Hijackers that return less than net/http's, or more.
func TestForeignHijackers(t *testing.T) {
	for name, h := range map[string]hijack{
		"no buffers": func(w http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error) {
			conn, _, err := w.(http.Hijacker).Hijack()
			return conn, nil, err
		},
		"empty buffers": func(w http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error) {
			conn, _, err := w.(http.Hijacker).Hijack()
			return conn, &bufio.ReadWriter{}, err
		},
		"tiny buffers": func(w http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error) {
			conn, _, err := w.(http.Hijacker).Hijack()
			return conn, bufio.NewReadWriter(bufio.NewReaderSize(conn, 16), bufio.NewWriterSize(conn, 16)), err
		},
		"deadlines left behind": func(w http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error) {
			conn, buf, err := w.(http.Hijacker).Hijack()
			conn.SetDeadline(time.Now().Add(-time.Hour))
			return conn, buf, err
		},
	} {
		t.Run(name, func(t *testing.T) {
			up := &upgrade.Upgrader{}
			c, res := handshake(t, newServer(t, hijacker(h)(up.Use(always(expired))(forbidden(t)))))
			wantStatus(t, res, 101)
			c.wantClose(4401, expiredText)
			c.bye()
			c, res = handshake(t, newServer(t, hijacker(h)(up.Handler(run(echo)))))
			wantStatus(t, res, 101)
			c.wantEcho("hello")
			c.bye()
		})
	}
}

func TestUnwrapIsFollowed(t *testing.T) {
	up := &upgrade.Upgrader{}
	h := up.Use(always(expired))(forbidden(t))
	c, res := handshake(t, newServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(wrapping{wrapping{w}}, r) })))
	wantStatus(t, res, 101)
	c.wantClose(4401, expiredText)
	c.bye()
}
