package client

import (
	"context"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/wsverdict/wsverdict/middleware"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

// A site is a server that a test can take down, on the address that its pages know.
type site struct {
	addr     string
	up       *upgrade.Upgrader
	server   *http.Server
	attempts atomic.Int64
	renewed  chan struct{} // by a token that was sent over a connection

	mu    sync.Mutex
	conns []net.Conn // all that were accepted
}

// newSite serves /ws with a greeting and an echo, behind the policies. addr is "" for any.
func newSite(t *testing.T, b *browser, addr string, policies ...policy.Policy) *site {
	t.Helper()
	return observedSite(t, b, addr, nil, policies...)
}

// observedSite is newSite with somebody who is told.
func observedSite(t *testing.T, b *browser, addr string, o upgrade.Observer, policies ...policy.Policy) *site {
	t.Helper()
	s := &site{up: &upgrade.Upgrader{Subprotocols: []string{"chat.v1", "bearer"}, LingerTimeout: patience, Observer: o}}
	ws := middleware.For(s.up)
	r := chi.NewRouter()
	r.Group(func(r chi.Router) {
		r.Use(s.counting, ws.Origin(b.origin))
		for _, p := range policies {
			r.Use(ws.Use(p))
		}
		r.Handle("/ws", s.up.Handler(greets))
	})
	s.serve(t, addr, r)
	return s
}

// serve listens. A handler of the test's own is told nothing of the Upgrader.
func (s *site) serve(t *testing.T, addr string, h http.Handler) {
	t.Helper()
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", addr)
	for end := time.Now().Add(patience); err != nil && time.Now().Before(end); l, err = net.Listen("tcp", addr) {
		<-time.After(50 * time.Millisecond) // meanwhile it may be the port of somebody's outgoing connection
	}
	if err != nil {
		t.Fatal(err)
	}
	s.addr = l.Addr().String()
	s.server = &http.Server{Handler: h, ReadHeaderTimeout: patience, ConnState: func(c net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.mu.Lock()
			s.conns = append(s.conns, c)
			s.mu.Unlock()
		}
	}}
	go func() { _ = s.server.Serve(l) }()
	t.Cleanup(s.cut)
}

// cut is a network that fails: the listener is closed, and every connection without a word.
func (s *site) cut() {
	_ = s.server.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		_ = c.Close()
	}
}

// shutdown is a server that ends in good order: it tells everybody at once, and waits for slow browsers.
func (s *site) shutdown(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := s.up.Shutdown(ctx, s.server); err != nil {
		t.Fatal(err)
	}
}

func (s *site) url() string { return "ws://" + s.addr + "/ws" }

func (s *site) counting(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.attempts.Add(1)
		next.ServeHTTP(w, r)
	})
}

// greets says hello, then everything that it hears.
func greets(*http.Request) (upgrade.Session, error) {
	return func(ctx context.Context, c *upgrade.Conn) error {
		if err := c.Write(ctx, upgrade.Text, []byte("hello")); err != nil {
			return err
		}
		return echo(ctx, c)
	}, nil
}

func echo(ctx context.Context, c *upgrade.Conn) error {
	for {
		typ, message, err := c.Read(ctx, nil)
		if err != nil {
			return err
		}
		if err := c.Write(ctx, typ, message); err != nil {
			return err
		}
	}
}

// A state is what the page was in, and why its last connection had ended.
type state struct {
	State   string
	At      float64 // milliseconds
	Code    int
	Slug    string
	Action  string
	Refused *bool
}

// path is the states in order: "waiting connecting open".
func path(states []state) string {
	var names []string
	for _, s := range states {
		names = append(names, s.State)
	}
	return strings.Join(names, " ")
}
