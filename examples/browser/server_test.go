// Package browser shows that what the library sends arrives: in a real browser's scripts and in other WebSocket libraries.
package browser

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/go-chi/chi/v5"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/examples/internal/chrome"
	"github.com/wsverdict/wsverdict/middleware"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

func TestMain(m *testing.M) { os.Exit(chrome.Main(m)) }

// What everybody is refused with here.
const (
	wantCode   = 4401
	wantReason = "token_expired;do=refresh"
)

func refuse(*http.Request) policy.Verdict { return refusal }

var refusal = policy.Close(codes.Unauthorized, "token_expired").WithAction(codes.Refresh)

// routes has an empty page, a socket that refuses the handshake, one whose session ends while the client sends, and one that closes
// by hand.
func routes(t *testing.T) http.Handler {
	up := &upgrade.Upgrader{
		Subprotocols: []string{"bearer"},
		// The limits have tests of their own: here a slow machine must not come near them.
		LingerTimeout: testTime,
		LingerBytes:   1 << 30,
		Observer: upgrade.ObserverFunc(func(e upgrade.Event) {
			if e.Kind == upgrade.Settled && (e.Err != nil || e.Request.URL.Path == "/refused" && e.Outcome != upgrade.Closed) {
				t.Errorf("observed %v (%v) at %s", e.Outcome, e.Err, e.Request.URL)
			}
		}),
	}
	ws := middleware.For(up)
	r := chi.NewRouter()
	r.Get("/", emptyPage)
	r.Group(func(r chi.Router) {
		r.Use(ws.Origin(middleware.SameOrigin))
		r.With(ws.Use(policy.Func(refuse))).Handle("/refused", up.Handler(neverAdmitted))
		r.Handle("/ended", up.Handler(endsEarly))
	})
	r.Get(byHandPath, byHand)
	return r
}

func emptyPage(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html")
	_, _ = io.WriteString(w, "<!doctype html><title>browser test</title>")
}

func neverAdmitted(*http.Request) (upgrade.Session, error) { panic("a refused client was admitted") }

// endsEarly ends its session with what the client sends unread, but for a byte.
func endsEarly(*http.Request) (upgrade.Session, error) {
	return func(_ context.Context, c *upgrade.Conn) error {
		if _, err := c.NetConn().Read(make([]byte, 1)); err != nil {
			return err
		}
		return refusal
	}, nil
}

// newServer serves routes over TCP, with TLS if wanted. Its certificate is its own.
func newServer(t *testing.T, secure bool) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(routes(t))
	s.Config.ReadHeaderTimeout = testTime
	if secure {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return s
}
