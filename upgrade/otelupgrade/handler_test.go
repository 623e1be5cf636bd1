package otelupgrade_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade/otelupgrade"
	"github.com/wsverdict/wsverdict/upgrade/upgradetest"
)

// unwraps is a middleware's writer that can be seen through, and does nothing by itself.
type unwraps struct{ http.ResponseWriter }

func (u unwraps) Unwrap() http.ResponseWriter { return u.ResponseWriter }

// otelhttp learns of the 101, whoever takes the connection over and whatever stands around it.
func TestHijackIs101(t *testing.T) {
	takes := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\n\r\n")
		conn.Close()
	})
	announces := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { // as some libraries do
		w.WriteHeader(http.StatusSwitchingProtocols)
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		conn.Close()
	})
	seenThrough := func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(unwraps{w}, r) })
	}
	for name, chain := range map[string]func(*backend) http.Handler{
		"alone":     func(b *backend) http.Handler { return otelupgrade.NewHandler(takes, "test", b.http...) },
		"announced": func(b *backend) http.Handler { return otelupgrade.NewHandler(announces, "test", b.http...) },
		"a writer around it": func(b *backend) http.Handler {
			return seenThrough(otelupgrade.NewHandler(takes, "test", b.http...))
		},
		"a writer in it": func(b *backend) http.Handler {
			return otelupgrade.NewHandler(seenThrough(takes), "test", b.http...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBackend(t)
			c := upgradetest.Handshake(t, serve(t, chain(b)), "/", upgradetest.Header())
			if c.Response.StatusCode != 101 {
				t.Errorf("the client sees %d", c.Response.StatusCode)
			}
			if s := b.span(t, routeless); valueOf(s, "http.response.status_code") != int64(101) {
				t.Errorf("%v", s.Attributes)
			}
			upgradetest.Eventually(t, "counted", func() bool {
				for labels := range b.points(t, "http.server.request.duration") {
					return strings.Contains(labels, "http.response.status_code=101")
				}
				return false
			})
		})
	}
}

// A request that otelhttp's filter leaves out is served as ever.
func TestFiltered(t *testing.T) {
	b := newBackend(t)
	up := b.upgrader()
	filter := otelhttp.WithFilter(func(*http.Request) bool { return false })
	addr := serve(t, otelupgrade.NewHandler(up.Handler(upgradetest.Run(upgradetest.Echo)), "test", append(b.http, filter)...))
	c := upgradetest.Dial(t, addr, "/ws")
	c.Say("hello", "hello")
	c.Leave(1000)
	if s := b.span(t, "websocket handshake"); s.Parent.IsValid() {
		t.Error("it has a parent")
	}
}

// Without a connection to take over the verdict is a status, and the reason names the type in the way.
func TestNoHijacker(t *testing.T) {
	b := newBackend(t)
	up := b.upgrader()
	h := otelupgrade.NewHandler(up.Handler(upgradetest.Run(upgradetest.Echo)), "test", b.http...)
	r := httptest.NewRequest("GET", "/", nil)
	r.Header = upgradetest.Header()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	s := b.span(t, "websocket handshake")
	if w.Code != 500 || valueOf(s, "wsverdict.why") != "hijack" || valueOf(b.span(t, routeless), "http.response.status_code") != int64(500) {
		t.Errorf("%d, %v", w.Code, s.Attributes)
	}
}

// An ordinary request meets otelhttp alone; one that asks for an upgrade which never comes finds all that
// net/http offers.
func TestOrdinaryRequests(t *testing.T) {
	b := newBackend(t)
	var types []string
	look := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "" {
			types = append(types, fmt.Sprintf("%T", w))
		}
		w.WriteHeader(http.StatusTeapot)
		if _, err := w.(io.ReaderFrom).ReadFrom(io.LimitReader(strings.NewReader("read "), 5)); err != nil {
			t.Error(err)
		}
		w.(http.Flusher).Flush()
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
		_ = w.(http.Hijacker)
		io.WriteString(w, "written")
	})
	ours, theirs := otelupgrade.NewHandler(look, "test", b.http...), otelhttp.NewHandler(look, "test", b.http...)
	for _, h := range []http.Handler{ours, theirs, ours} {
		b.spans.Reset()
		r, err := http.NewRequest("GET", "http://"+serve(t, h)+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(types) == 2 {
			r.Header.Set("Connection", "Upgrade, HTTP2-Settings")
			r.Header.Set("Upgrade", "h2c")
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if string(body) != "read written" || err != nil || res.StatusCode != http.StatusTeapot {
			t.Errorf("%d %q, %v", res.StatusCode, body, err)
		}
		// otelhttp does not count what goes by ReadFrom.
		if s := b.span(t, routeless); valueOf(s, "http.response.status_code") != int64(http.StatusTeapot) || valueOf(s, "http.response.body.size") != int64(len("written")) {
			t.Errorf("%v", s.Attributes)
		}
	}
	if len(types) != 2 || types[0] != types[1] {
		t.Errorf("writers are of types %v", types)
	}
}

func TestOrdinaryRequestsCostNothing(t *testing.T) {
	b := newBackend(t)
	empty := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	off := otelhttp.WithFilter(func(*http.Request) bool { return false }) // otelhttp's own cost varies
	r, w := httptest.NewRequest("GET", "/", nil), httptest.NewRecorder()
	h := otelupgrade.NewHandler(empty, "test", append(b.http, off)...)
	if n := testing.AllocsPerRun(100, func() { h.ServeHTTP(w, r) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Many at once, all counted once, each session linked to its own handshake.
func TestCrowd(t *testing.T) {
	b := newBackend(t)
	up := b.upgrader()
	gate := policy.Named("gate", policy.Func(func(r *http.Request) policy.Verdict {
		if r.URL.RawQuery == "refuse" {
			return policy.Close(codes.Unauthorized, "token_expired")
		}
		return policy.Allow()
	}))
	addr := b.serve(t, up.Use(gate)(up.Handler(upgradetest.Run(upgradetest.Echo))))
	const each = 50
	var crowd sync.WaitGroup
	for range each {
		crowd.Go(func() {
			c := upgradetest.Handshake(t, addr, "/ws/lobby", upgradetest.Header())
			c.Say("hello", "hello")
			c.Leave(1000)
		})
		crowd.Go(func() {
			c := upgradetest.Handshake(t, addr, "/ws/lobby?refuse", upgradetest.Header())
			c.WantClose(4401, "token_expired;do=refresh")
			c.Bye()
		})
	}
	crowd.Wait()
	upgradetest.WantEmpty(t, up)
	upgradetest.Eventually(t, "all spans", func() bool { return len(b.spans.GetSpans()) == 5*each })
	handshakes := map[any]string{} // by the session's id
	for _, s := range b.spans.GetSpans() {
		if s.Name == handshakeSpan {
			handshakes[valueOf(s, "wsverdict.session.id")] = s.SpanContext.SpanID().String()
		}
	}
	for _, s := range b.spans.GetSpans() {
		if s.Name == sessionSpan && (len(s.Links) != 1 || s.Links[0].SpanContext.SpanID().String() != handshakes[valueOf(s, "wsverdict.session.id")]) {
			t.Errorf("session %v links to %v", valueOf(s, "wsverdict.session.id"), s.Links)
		}
	}
	for name, want := range map[string]int64{
		"wsverdict.handshake.duration": 2 * each, "wsverdict.handshake.refusals": each,
		"wsverdict.connection.duration": each, "wsverdict.active_connections": 0,
	} {
		var n int64
		for _, value := range b.points(t, name) {
			n += value
		}
		if n != want {
			t.Errorf("%s: %d, want %d", name, n, want)
		}
	}
}
