package upgrade_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

// nullConn takes everything, and its client hangs up at once.
type nullConn struct{}

func (nullConn) Write(p []byte) (int, error)      { return len(p), nil }
func (nullConn) Read([]byte) (int, error)         { return 0, io.EOF }
func (nullConn) Close() error                     { return nil }
func (nullConn) LocalAddr() net.Addr              { return nil }
func (nullConn) RemoteAddr() net.Addr             { return nil }
func (nullConn) SetDeadline(time.Time) error      { return nil }
func (nullConn) SetReadDeadline(time.Time) error  { return nil }
func (nullConn) SetWriteDeadline(time.Time) error { return nil }

// memoryWriter is a ResponseWriter and Hijacker without allocations of its own.
type memoryWriter struct {
	header http.Header
	status int
	conn   net.Conn
	buf    *bufio.ReadWriter
	early  []byte // what the client sent behind its handshake
	source bytes.Reader
}

func newMemoryWriter(early string) *memoryWriter {
	var conn net.Conn = nullConn{}
	return &memoryWriter{header: http.Header{}, conn: conn, early: []byte(early),
		buf: bufio.NewReadWriter(bufio.NewReader(conn), bufio.NewWriter(conn))}
}

func (w *memoryWriter) Header() http.Header         { return w.header }
func (w *memoryWriter) WriteHeader(status int)      { w.status = status }
func (w *memoryWriter) Write(p []byte) (int, error) { return len(p), nil }

func (w *memoryWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	w.source.Reset(w.early)
	w.buf.Reader.Reset(&w.source)
	w.buf.Peek(len(w.early))
	w.buf.Writer.Reset(w.conn)
	return w.conn, w.buf, nil
}

func memoryRequest() *http.Request {
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader([]byte(request()))))
	if err != nil {
		panic(err)
	}
	return r
}

// allocations is testing.AllocsPerRun, warmed up so that pools are full, and without collections,
// which empty them. AllocsPerRun leaves one processor: what f has started must have its turn, or
// goroutines pile up that a real server would have ended.
func allocations(t *testing.T, f func()) float64 {
	t.Helper()
	if raceDetector() {
		t.Skip("the race detector makes pools forget")
	}
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	return testing.AllocsPerRun(1000, func() {
		f()
		runtime.Gosched()
	})
}

func raceDetector() bool {
	info, _ := debug.ReadBuildInfo()
	for _, s := range info.Settings {
		if s.Key == "-race" {
			return s.Value == "true"
		}
	}
	return false
}

func TestCloseAllocations(t *testing.T) {
	up := &upgrade.Upgrader{Subprotocols: []string{"bearer"}}
	for name, tc := range map[string]struct {
		early   string
		verdict policy.Verdict
		prepare func(*http.Request, http.Header)
	}{
		"the client has closed":      {early: closing, verdict: expired},
		"linger handed over":         {verdict: expired},
		"with a wait":                {verdict: expired.WithAfter(30e9)},
		"with headers of outer ones": {verdict: expired, prepare: func(_ *http.Request, h http.Header) { h.Set("X-Request-Id", "42"); h.Set("Set-Cookie", "a=1") }},
		"with a subprotocol":         {verdict: expired, prepare: func(r *http.Request, _ http.Header) { r.Header.Set("Sec-Websocket-Protocol", "token, bearer") }},
		"Origin with another port":   {verdict: expired, prepare: func(r *http.Request, _ http.Header) { r.Header.Set("Origin", "https://example.com:443") }},
	} {
		allow := up.Use(always(policy.Allow()))
		h := wrap(forbidden(t), up.Origin(upgrade.OriginCheck{SameOrigin: true}), allow, allow, up.Use(always(tc.verdict)))
		r, w := memoryRequest(), newMemoryWriter(tc.early)
		if tc.prepare != nil {
			tc.prepare(r, w.header)
		}
		if n := allocations(t, func() { h.ServeHTTP(w, r) }); n != 0 || w.status != 0 {
			t.Errorf("%s: %v allocations, want 0 (status %d)", name, n, w.status)
		}
	}
}

// A foreign Origin that was vetted travels to a neighbour without an allocation.
func TestVettedOriginAllocations(t *testing.T) {
	up := &upgrade.Upgrader{}
	match := upgrade.OriginCheck{Match: func(o upgrade.Origin) bool { return o.Host == "app.example.org" }}
	h := wrap(forbidden(t), up.Origin(match), up.Use(always(policy.Allow())), up.Use(always(expired)))
	r, w := memoryRequest(), newMemoryWriter(closing)
	r.Header.Set("Origin", good)
	if n := allocations(t, func() { h.ServeHTTP(w, r) }); n != 0 || w.status != 0 {
		t.Errorf("%v allocations, want 0 (status %d)", n, w.status)
	}
}

func TestStatusAllocations(t *testing.T) {
	up := &upgrade.Upgrader{}
	limited := policy.Reject(codes.TooManyRequests, "rate_limited")
	for name, tc := range map[string]struct {
		policy policy.Func
		most   float64 // beyond the map
	}{
		"static": {func(*http.Request) policy.Verdict { return limited }, 1},
		"Retry-After and RateLimit": {func(*http.Request) policy.Verdict {
			return limited.WithAfter(30e9).WithHeader("Ratelimit-Policy", `"default";q=20;w=60`).WithHeader("Ratelimit", `"default";r=0;t=30`)
		}, 5},
	} {
		h := up.Use(tc.policy)(forbidden(t))
		r, w := memoryRequest(), newMemoryWriter("")
		all := allocations(t, func() {
			w.header = http.Header{}
			h.ServeHTTP(w, r)
		})
		names, values := []string{}, []string{"x"}
		for name := range w.header {
			names = append(names, name)
		}
		alone := allocations(t, func() { // the map with the same fields
			w.header = http.Header{}
			for _, name := range names {
				w.header[name] = values
			}
		})
		if n := all - alone; n > tc.most || w.status != 429 {
			t.Errorf("%s: %v allocations beyond the map's %v, want at most %v (status %d)", name, n, alone, tc.most, w.status)
		}
	}
}

// An admitted handshake allocates what its session lives with, and nothing beside it.
func TestAdmissionAllocations(t *testing.T) {
	const (
		loan  = 1 // the request on loan, with its context
		conn  = 1 // the Conn
		start = 1 // what the session's goroutine begins with
		ctx   = 2 // the session's context and its cancel function
		end   = 2 // the last close frame, and room for a verdict in the result
		early = 1 // the bytes behind the handshake, where there are some
	)
	ended := make(chan struct{})
	up := &upgrade.Upgrader{Subprotocols: []string{"bearer"}}
	h := wrap(up.Handler(run(func(context.Context, *upgrade.Conn) error {
		ended <- struct{}{}
		return nil
	})), up.Origin(only("http://example.com")), up.Use(always(policy.Allow())))
	for name, tc := range map[string]struct {
		early string
		most  float64
	}{
		"nothing behind it": {"", loan + conn + start + ctx + end},
		"an early message":  {masked(ws.NewTextFrame([]byte("hello"))), loan + conn + start + ctx + end + early},
	} {
		r, w := memoryRequest(), newMemoryWriter(tc.early)
		r.Header.Set("Sec-Websocket-Protocol", "bearer")
		n := allocations(t, func() {
			h.ServeHTTP(w, r)
			<-ended
		})
		if n > tc.most || w.status != 0 {
			t.Errorf("%s: %v allocations, want at most %v (status %d)", name, n, tc.most, w.status)
		}
	}
}

// A long chain of neighbours needs no more stack than a short one.
func TestLongChainIsShallow(t *testing.T) {
	depth := func(links int) int {
		up := &upgrade.Upgrader{}
		var frames int
		h := up.Use(policy.Func(func(*http.Request) policy.Verdict {
			frames = runtime.Callers(0, make([]uintptr, 1000))
			return expired
		}))(http.NotFoundHandler())
		for range links {
			h = up.Use(always(policy.Allow().WithTag("a", "b")))(h)
		}
		h.ServeHTTP(newMemoryWriter(""), memoryRequest())
		return frames
	}
	if short, long := depth(1), depth(100); short == 0 || long != short {
		t.Errorf("%d frames behind 100 links, %d behind one", long, short)
	}
}
