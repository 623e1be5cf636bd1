package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/redis/go-redis/v9"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/middleware"
	fleet "github.com/wsverdict/wsverdict/middleware/redis"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

// A server is one of the two: with connections, a client of Redis and a place in the fleet of its
// own.
type server struct {
	http.Handler
	up     *upgrade.Upgrader
	client redis.UniversalClient
	fleet  *fleet.Fleet
	http   http.Server
}

// newServer returns one that uses the Redis at addr, and whose page connects to all of peers.
func newServer(addr string, peers []string) (*server, error) {
	s := &server{
		up:     &upgrade.Upgrader{},
		client: redis.NewUniversalClient(&redis.UniversalOptions{Addrs: []string{addr}, ContextTimeoutEnabled: true}),
	}
	var err error
	s.fleet, err = fleet.New(s.client, fleet.Config{
		Upgraders: []*upgrade.Upgrader{s.up},
		OnError:   func(err error) { log.Print(err) },
	})
	if err != nil {
		s.client.Close()
		return nil, err
	}
	s.Handler = s.routes(peers)
	s.http.Handler = http.NewCrossOriginProtection().Handler(s)
	s.http.ReadHeaderTimeout = 5 * time.Second
	return s, nil
}

func (s *server) serve(l net.Listener) { log.Print("fleet: ", s.http.Serve(l)) }

// close is the order for a rolling deployment: connections, then their seats, then the client.
func (s *server) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	s.up.Shutdown(ctx)
	s.http.Shutdown(ctx)
	s.fleet.Close()
	s.client.Close()
}

var banned = policy.Close(codes.Forbidden, "banned")

func (s *server) routes(peers []string) http.Handler {
	origins := make([]string, len(peers))
	for i, p := range peers {
		origins[i] = "http://" + p
	}
	ws := middleware.For(s.up)
	r := chi.NewRouter()
	r.With(
		ws.Origin(origins...),
		ws.Use(s.fleet.Switch().Maintenance()),
		ws.RateLimit(middleware.RateLimitConfig{Rate: middleware.PerMinute(120), Limiter: s.fleet.Limiter()}),
		ws.Use(policy.Named("user", policy.Func(whoever))),
		ws.Use(s.fleet.Revocations()),
		ws.Seats(middleware.SeatsConfig{Max: 4, Key: middleware.BySubject, Store: s.fleet.Seats()}),
	).Handle("/ws/{user:[a-z]{1,20}}", s.up.Handler(hold))

	r.Post("/ban/{user}", func(w http.ResponseWriter, r *http.Request) {
		answer(w, s.fleet.Revoke(r.Context(), banned, time.Hour, policy.Tag{Key: "user", Value: r.PathValue("user")}))
	})
	r.Delete("/ban/{user}", func(w http.ResponseWriter, r *http.Request) {
		answer(w, s.fleet.Lift(r.Context(), policy.Tag{Key: "user", Value: r.PathValue("user")}))
	})
	r.Post("/maintenance", func(w http.ResponseWriter, r *http.Request) {
		answer(w, s.fleet.Switch().Drain(r.Context(), time.Second))
	})
	r.Delete("/maintenance", func(w http.ResponseWriter, r *http.Request) { answer(w, s.fleet.Switch().Off(r.Context())) })
	r.Get("/servers", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, "[%q, %q]", peers[0], peers[1]) })
	r.Handle("/*", http.FileServerFS(page))
	return r
}

// whoever believes the name that it is told.
func whoever(r *http.Request) policy.Verdict { return policy.Allow().WithSubject(r.PathValue("user")) }

// hold keeps the connection.
func hold(*http.Request) (upgrade.Session, error) {
	return func(ctx context.Context, c *upgrade.Conn) error {
		for {
			if _, _, err := c.Read(ctx, nil); err != nil {
				return err
			}
		}
	}, nil
}

func answer(w http.ResponseWriter, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	}
}
