package proxies

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/go-chi/chi/v5"
	chimiddleware "github.com/go-chi/chi/v5/middleware"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/middleware"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
	"github.com/wsverdict/wsverdict/upgrade/upgradetest"
)

// What everybody is refused with here.
const (
	wantCode   = 4401
	wantReason = "token_expired;do=refresh"
)

var refusal = policy.Close(codes.Unauthorized, "token_expired").WithAction(codes.Refresh)

// A server is what stands behind a proxy.
type server struct {
	address string

	mu      sync.Mutex
	settled []settled
}

// A settled handshake, with what of its request is still there then.
type settled struct {
	upgrade.Event
	path, host, version string
}

// listed is an origin that has a list to itself, at /ws/listed.
const listed = "https://elsewhere.example.com"

// newServer serves /ws/refused, /ws/echo and /ws/listed, and for plain requests /ws/page, /ws/address and /ws/name.
func newServer(t *testing.T, up *upgrade.Upgrader) *server {
	t.Helper()
	s := &server{}
	up.LingerTimeout = testTime // who does not answer the close frame is not let go
	up.Observer = upgrade.ObserverFunc(func(e upgrade.Event) {
		if e.Kind == upgrade.Settled {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.settled = append(s.settled, settled{e, e.Request.URL.Path, e.Request.Host, e.Request.Header.Get("X-Client-Version")})
		}
	})
	ws := middleware.For(up)
	r := chi.NewRouter()
	r.Use(chimiddleware.ClientIPFromXFF("127.0.0.1/32")) // proxies at these addresses, which append to X-Forwarded-For
	r.With(ws.Use(policy.Func(func(*http.Request) policy.Verdict { return refusal }))).Handle("/ws/refused", up.Handler(echo))
	r.With(ws.Origin(listed)).Handle("/ws/listed", up.Handler(echo))
	r.Handle("/ws/echo", up.Handler(echo))
	r.Get("/ws/page", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<!doctype html><title>proxy test</title>")
	})
	r.Get("/ws/address", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, chimiddleware.GetClientIP(r.Context()))
	})
	r.Get("/ws/name", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, s.address) })
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	s.address = server.Listener.Addr().String()
	return s
}

// echo sends back what comes, until it is told to leave.
func echo(*http.Request) (upgrade.Session, error) {
	return func(ctx context.Context, c *upgrade.Conn) error {
		for {
			typ, message, err := c.Read(ctx, nil)
			if err != nil {
				return err
			}
			if string(message) == "leave" {
				return refusal
			}
			if err := c.Write(ctx, typ, message); err != nil {
				return err
			}
		}
	}, nil
}

// at returns the handshakes of a path, of which there must be so many. Clients may have their answer
// before the Observer is told.
func (s *server) at(t *testing.T, path string, times int) (found []settled) {
	t.Helper()
	upgradetest.Eventually(t, "the handshakes are observed", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		found = nil
		for _, e := range s.settled {
			if e.path == path {
				found = append(found, e)
			}
		}
		return len(found) >= times
	})
	if len(found) > times {
		t.Errorf("%s: %d handshakes observed, want %d", path, len(found), times)
	}
	return found
}
