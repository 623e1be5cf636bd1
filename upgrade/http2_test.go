package upgrade_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
	"github.com/wsverdict/wsverdict/upgrade/upgradetest"
)

// Short names for what package upgradetest has.
var newHTTP2Server = upgradetest.ServeHTTP2

func dialHTTP2(t testing.TB, srv *httptest.Server, fields ...string) *upgradetest.Client {
	t.Helper()
	return upgradetest.DialHTTP2(t, srv, "/ws", fields...)
}

func handshakeHTTP2(t testing.TB, srv *httptest.Server, fields ...string) (*upgradetest.Client, *http.Response) {
	t.Helper()
	c := upgradetest.HandshakeHTTP2(t, srv, "/ws", upgradetest.Header(fields...))
	return c, c.Response
}

// TestHTTP2Refusal: a refusal is a 200 with a close frame behind it, and the stream stays open for the
// client's.
func TestHTTP2Refusal(t *testing.T) {
	events := newRecorder()
	up := &upgrade.Upgrader{Subprotocols: []string{"chat.v1"}, Observer: events, LingerTimeout: time.Hour}
	outer := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			for name, value := range map[string]string{
				"Set-Cookie": "a=b", "Connection": "close", "Upgrade": "h2c", "Keep-Alive": "1", "Content-Length": "3", "Content-Encoding": "gzip",
			} {
				w.Header().Set(name, value)
			}
			next.ServeHTTP(w, r)
		})
	}
	srv := newHTTP2Server(t, wrap(forbidden(t), outer, up.Use(always(expired))))
	c := dialHTTP2(t, srv, "Origin", srv.URL, "Sec-WebSocket-Protocol", "chat.v1, bearer")
	h := c.Response.Header
	if h.Get("Set-Cookie") != "a=b" || h.Get("Sec-WebSocket-Protocol") != "chat.v1" {
		t.Errorf("header %q", h)
	}
	for _, name := range []string{"Connection", "Upgrade", "Keep-Alive", "Content-Length", "Content-Encoding", "Content-Type", "Sec-WebSocket-Accept"} {
		if value, there := h[http.CanonicalHeaderKey(name)]; there {
			t.Errorf("%s: %q", name, value)
		}
	}
	c.WantClose(4401, expiredText)
	if n := up.Stats().Lingering; n != 1 {
		t.Errorf("%d lingering", n)
	}
	c.Bye()
	if e := events.Next(t); e.Outcome != upgrade.Closed || e.Status != 200 || e.CloseCode != 4401 || e.ProtoMajor != 2 {
		t.Errorf("got %+v", e)
	}
	wantEmpty(t, up)
}

// TestHTTP2Statuses: what is a status over HTTP/1.1 is one here, without what HTTP/2 forbids in it.
func TestHTTP2Statuses(t *testing.T) {
	hopByHop := policy.Reject(codes.Forbidden, "hidden").WithHeader("Upgrade", "websocket").WithHeader("Connection", "Upgrade")
	for _, tc := range []struct {
		name   string
		up     *upgrade.Upgrader
		denial policy.Verdict // none: admitted
		fields []string
		status int
		slug   string
		why    upgrade.Why
	}{
		{"hidden", &upgrade.Upgrader{}, hopByHop, nil, 403, "hidden", upgrade.WhyHidden},
		{"another origin", &upgrade.Upgrader{}, policy.Allow(), []string{"Origin", "https://evil.example"}, 403, "origin_not_allowed", upgrade.WhyOrigin},
		{"another origin, denied", &upgrade.Upgrader{}, expired, []string{"Origin", "https://evil.example"}, 401, "token_expired", upgrade.WhyOrigin},
		{"no origin", &upgrade.Upgrader{StatusWithoutOrigin: true}, expired, nil, 401, "token_expired", upgrade.WhyNoOrigin},
		{"over the budget", &upgrade.Upgrader{MaxLingering: -1}, expired, nil, 401, "token_expired", upgrade.WhyBudget},
		{"no subprotocol", &upgrade.Upgrader{}, policy.Allow(), []string{"Sec-WebSocket-Protocol", "chat"}, 406, "no_common_subprotocol", upgrade.WhySubprotocol},
		{"version twice", &upgrade.Upgrader{}, policy.Allow(), []string{"Sec-WebSocket-Version", "13"}, 400, "websocket_version_not_supported", upgrade.WhyNoHandshake},
		{"turned off", &upgrade.Upgrader{DisableHTTP2: true}, policy.Allow(), nil, 505, "http_version_not_supported", upgrade.WhyHTTP2},
		{"turned off, denied", &upgrade.Upgrader{DisableHTTP2: true}, expired, nil, 401, "token_expired", upgrade.WhyHTTP2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			events := newRecorder()
			tc.up.Observer = events
			srv := newHTTP2Server(t, tc.up.Use(always(tc.denial))(tc.up.Handler(run(idle))))
			_, res := handshakeHTTP2(t, srv, tc.fields...)
			wantStatus(t, res, tc.status)
			if p := problemOf(t, res); p.Slug != tc.slug {
				t.Errorf("got %+v, want %s", p, tc.slug)
			}
			for _, name := range []string{"Connection", "Upgrade"} {
				if value, there := res.Header[name]; there {
					t.Errorf("%s: %q", name, value)
				}
			}
			if e := events.Next(t); e.Why != tc.why || e.Outcome != upgrade.Answered || e.ProtoMajor != 2 {
				t.Errorf("got %+v", e)
			}
			wantEmpty(t, tc.up)
		})
	}
}

// TestHTTP2Pass: an Origin link's word reaches the endpoint through a foreign handler.
func TestHTTP2Pass(t *testing.T) {
	up := &upgrade.Upgrader{}
	app := upgrade.OriginCheck{Match: func(o upgrade.Origin) bool { return o.Host == "app.example.com" }}
	srv := newHTTP2Server(t, wrap(up.Handler(run(upgradetest.Echo)), up.Origin(app), foreign))
	c := dialHTTP2(t, srv, "Origin", "https://app.example.com")
	c.Say("hello", "hello")
	_, res := handshakeHTTP2(t, srv, "Origin", "https://evil.example.com")
	wantStatus(t, res, 403)
}

// TestHTTP2Linger: a client that does not answer a refusal holds its stream up for LingerTimeout, and
// for LingerBytes.
func TestHTTP2Linger(t *testing.T) {
	for name, tc := range map[string]struct {
		up    *upgrade.Upgrader
		pours bool
	}{
		"silent": {&upgrade.Upgrader{LingerTimeout: time.Second}, false},
		"pours":  {&upgrade.Upgrader{LingerTimeout: patience, LingerBytes: 100 << 10}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			returned := make(chan struct{})
			srv := newHTTP2Server(t, wrap(forbidden(t), returns(returned), tc.up.Use(always(expired))))
			c := dialHTTP2(t, srv)
			c.WantClose(4401, expiredText)
			if tc.pours {
				go func() {
					for err := error(nil); err == nil; {
						_, err = c.Write(make([]byte, 16<<10))
					}
				}()
			}
			receive(t, returned)
			wantEmpty(t, tc.up)
		})
	}
}

// returns tells when the handler returns.
func returns(to chan<- struct{}) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer func() { to <- struct{}{} }()
			next.ServeHTTP(w, r)
		})
	}
}

// TestHTTP2TypeInTheWay: a writer that hides net/http's is named, and the client gets a status.
func TestHTTP2TypeInTheWay(t *testing.T) {
	events := newRecorder()
	up := &upgrade.Upgrader{Observer: events}
	for status, h := range map[int]http.Handler{401: up.Use(always(expired))(forbidden(t)), 500: up.Handler(run(idle))} {
		_, res := handshakeHTTP2(t, newHTTP2Server(t, opaque(h)))
		wantStatus(t, res, status)
		e := events.Next(t)
		var he *upgrade.HijackError
		if !errors.As(e.Err, &he) || !he.Stream || !errors.Is(he, http.ErrNotSupported) || e.Why != upgrade.WhyHijack ||
			!strings.Contains(he.Error(), "opaqueWriter has neither SetWriteDeadline nor Unwrap") {
			t.Errorf("got %+v, %v", e, e.Err)
		}
	}
	wantEmpty(t, up)
}

// TestHTTP2RouteForGet: where links stand in front of the router, what they see of such a route is said, once.
func TestHTTP2RouteForGet(t *testing.T) {
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	t.Cleanup(func() { slog.SetDefault(before) })
	up := &upgrade.Upgrader{}
	r := chi.NewRouter()
	r.Use(up.Use(always(policy.Allow())))
	r.Get("/ws", up.Handler(run(idle)).ServeHTTP)
	srv := newHTTP2Server(t, r)
	for range 2 {
		_, res := handshakeHTTP2(t, srv)
		wantStatus(t, res, 405)
	}
	if n := strings.Count(log.String(), "mount the endpoint with Handle"); n != 1 {
		t.Errorf("said %d times: %s", n, log.String())
	}
}

// TestHTTP2Mount: a route for GET does not match an extended CONNECT, nor does a ServeMux's for a host
// without its port.
func TestHTTP2Mount(t *testing.T) {
	up := &upgrade.Upgrader{}
	echo := up.Handler(run(upgradetest.Echo))
	for name, tc := range map[string]struct {
		mount  func(r chi.Router, mux *http.ServeMux)
		status int
	}{
		"chi, Handle":        {func(r chi.Router, _ *http.ServeMux) { r.Handle("/ws", echo) }, 200},
		"chi, Get":           {func(r chi.Router, _ *http.ServeMux) { r.Get("/ws", echo.ServeHTTP) }, 405},
		"chi, Get + Connect": {func(r chi.Router, _ *http.ServeMux) { r.Get("/ws", echo.ServeHTTP); r.Connect("/ws", echo.ServeHTTP) }, 200},
		"ServeMux":           {func(_ chi.Router, mux *http.ServeMux) { mux.Handle("/ws", echo) }, 200},
		"ServeMux, GET":      {func(_ chi.Router, mux *http.ServeMux) { mux.Handle("GET /ws", echo) }, 405},
		"ServeMux, a host":   {func(_ chi.Router, mux *http.ServeMux) { mux.Handle("127.0.0.1/ws", echo) }, 404},
	} {
		t.Run(name, func(t *testing.T) {
			r, mux := chi.NewRouter(), http.NewServeMux()
			tc.mount(r, mux)
			mux.Handle("/chi/", http.StripPrefix("/chi", r))
			target := "/ws"
			if strings.HasPrefix(name, "chi") {
				target = "/chi/ws"
			}
			c := upgradetest.HandshakeHTTP2(t, newHTTP2Server(t, mux), target, upgradetest.Header())
			wantStatus(t, c.Response, tc.status)
			if tc.status == 200 {
				c.Say("hello", "hello")
			}
		})
	}
}
