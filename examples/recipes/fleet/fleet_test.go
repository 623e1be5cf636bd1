// Package fleet runs the code of docs/fleet.md, with two servers on one Redis.
package fleet

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/golang-jwt/jwt/v5"
	"github.com/redis/go-redis/v9"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/examples/internal/token"
	"github.com/wsverdict/wsverdict/middleware"
	fleet "github.com/wsverdict/wsverdict/middleware/redis"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
	"github.com/wsverdict/wsverdict/upgrade/upgradetest"
)

var users = middleware.MustJWT(middleware.JWTConfig[jwt.RegisteredClaims]{
	Keys: middleware.StaticKey(token.PublicKey), Methods: []string{"ES256"}, Tag: "user",
})

// A server is one of several.
type server struct {
	up      *upgrade.Upgrader
	client  redis.UniversalClient
	servers *fleet.Fleet
	srv     *http.Server
	addr    string
}

func newServer(t *testing.T, addrs []string) *server {
	t.Helper()
	up, r := &upgrade.Upgrader{}, chi.NewRouter()
	ws := middleware.For(up)

	client := redis.NewUniversalClient(&redis.UniversalOptions{Addrs: addrs, ContextTimeoutEnabled: true})
	servers, err := fleet.New(client, fleet.Config{Upgraders: []*upgrade.Upgrader{up}})

	if err != nil {
		t.Fatal(err)
	}
	r.Use(
		ws.Origin("https://app.example.com"),
		ws.Use(servers.Switch().Maintenance()),
		ws.RateLimit(middleware.RateLimitConfig{Rate: middleware.PerMinute(20), Limiter: servers.Limiter()}),
		ws.Use(users),                 // a JWT, whose Tag is "user"
		ws.Use(servers.Revocations()), // 4403 banned;do=stop
		ws.Seats(middleware.SeatsConfig{Max: 3, Key: middleware.BySubject, Store: servers.Seats()}),
	)

	r.Handle("/ws", up.Handler(upgradetest.Run(upgradetest.Echo)))
	s := &server{up, client, servers, &http.Server{Handler: r}, upgradetest.Serve(t, r)}
	t.Cleanup(s.close)
	select {
	case <-servers.Ready():
	case <-time.After(upgradetest.Patience):
		t.Fatal("the server has not caught up")
	}
	return s
}

func (s *server) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Second)
	defer cancel()
	up, servers, client, srv := s.up, s.servers, s.client, s.srv
	up.Shutdown(ctx, srv) // connections are told to come back, elsewhere; their seats are given back
	servers.Close()       // what is left of its seats is free at once
	client.Close()
}

func ban(ctx context.Context, servers *fleet.Fleet, id string) (err error) {
	err = servers.Revoke(ctx, policy.Close(codes.Forbidden, "banned"), 24*time.Hour, policy.Tag{Key: "user", Value: id})
	return err
}

func (s *server) connect(t *testing.T, user string) *upgradetest.Client {
	t.Helper()
	return upgradetest.Dial(t, s.addr, "/ws", "Origin", "https://app.example.com", "Authorization", "Bearer "+token.Sign(t, token.For(user, time.Hour)))
}

// Two servers count seats together, and a ban that one is told closes the connections to both. Where
// Redis answers later than a handshake waits, each server counts alone: then all is tried again.
func TestFleet(t *testing.T) {
	for !testFleet(t) {
		t.Log("Redis was late")
	}
}

func testFleet(t *testing.T) (inTime bool) {
	addrs := []string{startRedis(t)}
	a, b := newServer(t, addrs), newServer(t, addrs)
	late := func() bool { return a.servers.Stats().Errors+b.servers.Stats().Errors > 0 }
	var alice []*upgradetest.Client
	for _, s := range []*server{a, b, b} {
		c := s.connect(t, "alice")
		c.Say("here", "here")
		alice = append(alice, c)
	}
	fourth := a.connect(t, "alice")
	if late() {
		return false
	}
	fourth.WantClose(4429, "too_many_connections;do=backoff")
	fourth.Bye()

	if err := ban(t.Context(), a.servers, "alice"); err != nil && late() {
		return false
	} else if err != nil {
		t.Fatal(err)
	}
	for _, c := range alice {
		c.WantClose(4403, "banned;do=stop")
		c.Bye()
	}
	again := b.connect(t, "alice")
	again.WantClose(4403, "banned;do=stop")
	again.Bye()
	return true
}

// startRedis has a redis-server listen on a socket of the file system.
func startRedis(t *testing.T) (addr string) {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		if os.Getenv("WSVERDICT_REQUIRE_ALL") != "" {
			t.Fatal("redis-server is not installed")
		}
		t.Skip("redis-server is not installed")
	}
	dir, err := os.MkdirTemp("", "fleet") // t.TempDir's path may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	addr = filepath.Join(dir, "redis")
	c := exec.Command(path, "--port", "0", "--unixsocket", addr, "--dir", dir, "--save", "", "--loglevel", "warning")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Process.Kill()
		c.Wait()
	})
	client := redis.NewClient(&redis.Options{Addr: addr, MaxRetries: 100, MinRetryBackoff: 10 * time.Millisecond, MaxRetryBackoff: 50 * time.Millisecond})
	defer client.Close()
	if err := client.Ping(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	return addr
}
