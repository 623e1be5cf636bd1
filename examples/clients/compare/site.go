package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/wsverdict/wsverdict/middleware"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

// A site is the server that one client meets one fault at. It serves the page, too.
type site struct {
	client client
	fault  fault
	script []byte
	relay  *relay
	up     *upgrade.Upgrader
	server *http.Server

	mu       sync.Mutex
	attempts []time.Time // handshakes that came, whatever became of them
	heard    map[int]*heard
}

// heard is what came over one of the page's connections, which may be many of the server's.
type heard struct {
	times     map[int]int // by number
	reopened  time.Time   // when the server was up again
	firstBack time.Time   // the first number after that
}

const page = `<!doctype html><meta charset="utf-8"><title>compare</title><body><script type="module" src="/compare.js"></script>`

func newSite(c client, f fault, script []byte, latency time.Duration) (*site, error) {
	r, err := newRelay(latency)
	if err != nil {
		return nil, err
	}
	s := &site{client: c, fault: f, script: script, relay: r, heard: map[int]*heard{}}
	return s, s.start()
}

// start is called again for a new server, after the old one has ended.
func (s *site) start() error {
	s.up = &upgrade.Upgrader{Profile: s.client.profile}
	if s.client.subprotocol != "" {
		s.up.Subprotocols = []string{s.client.subprotocol}
	}
	ws := middleware.For(s.up)
	r := chi.NewRouter()
	r.Get("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte(page))
	})
	r.Get("/compare.js", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		_, _ = w.Write(s.script)
	})
	links := chi.Chain(ws.Origin(middleware.SameOrigin), ws.Use(policy.Func(s.judge)))
	r.Method(http.MethodGet, "/ws", s.counting(links.Handler(s.up.Handler(s.session))))
	r.Method(http.MethodGet, "/why", links.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
	}))

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s.server = &http.Server{Handler: r, ReadHeaderTimeout: time.Minute}
	go func() { _ = s.server.Serve(l) }()
	return s.relay.open(l.Addr().String())
}

// stop ends everything, without waiting for anybody.
func (s *site) stop() error {
	s.relay.refuse()
	s.relay.cut()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err := s.up.Shutdown(ctx, s.server)
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

func (s *site) counting(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.attempts = append(s.attempts, time.Now())
		s.mu.Unlock()
		next.ServeHTTP(w, r)
	})
}

// judge refuses, if that is the fault. Who has a protocol of its own for that is admitted first.
func (s *site) judge(*http.Request) policy.Verdict {
	if s.fault.end != nil || s.client.name == ownPacket {
		return policy.Allow()
	}
	return s.fault.verdict
}

func (s *site) session(r *http.Request) (upgrade.Session, error) {
	connection, err := strconv.Atoi(r.URL.Query().Get("connection"))
	if err != nil {
		return nil, err
	}
	return s.client.speak(func(number int) { s.hears(connection, number) }), nil
}

func (s *site) hears(connection, number int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.heard[connection]
	if h == nil {
		h = &heard{times: map[int]int{}}
		s.heard[connection] = h
	}
	h.times[number]++
	if !h.reopened.IsZero() && h.firstBack.IsZero() {
		h.firstBack = time.Now()
	}
}

// restart ends the server as the fault says, and has a new one after down.
func (s *site) restart(ctx context.Context, down time.Duration) error {
	if err := s.fault.end(ctx, s); err != nil {
		return err
	}
	time.Sleep(down)
	s.mu.Lock()
	for _, h := range s.heard {
		h.reopened = time.Now()
	}
	s.mu.Unlock()
	return s.start()
}

// count says of how many connections something holds.
func (s *site) count(holds func(*heard) bool) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range s.heard {
		if holds(h) {
			n++
		}
	}
	return n
}

// first is when the first attempt came.
func (s *site) first() (at time.Time, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.attempts) == 0 {
		return time.Time{}, false
	}
	return s.attempts[0], true
}
