package main

import (
	"context"
	"fmt"
	"net"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/httprate"
	httprateredis "github.com/go-chi/httprate-redis"
	"github.com/go-redis/redis_rate/v10"
	"github.com/gobwas/ws"
	"github.com/redis/go-redis/v9"

	"github.com/wsverdict/wsverdict/middleware"
	fleet "github.com/wsverdict/wsverdict/middleware/redis"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

const askers = 32 // goroutines

// BenchmarkTake asks limiters on the same Redis for one token of 1,024 keys in turn, nobody denied,
// by 32 goroutines at once. docs/fleet.md has a run of it.
func BenchmarkTake(b *testing.B) {
	addr := ownRedis(b)
	take := func(ahead int) func(*testing.B, *redis.Client) func(string) error {
		return func(b *testing.B, c *redis.Client) func(string) error {
			l := join(b, c, ahead).Limiter()
			return func(key string) error {
				_, err := l.Take(context.Background(), middleware.NewKey("user", key), middleware.PerHour(1e6), 1)
				return err
			}
		}
	}
	for _, bc := range []struct {
		name string
		make func(*testing.B, *redis.Client) func(key string) error
	}{
		{"wsverdict", take(0)},
		{"wsverdict,TokensAhead=100", take(100)},
		{"redis_rate", func(_ *testing.B, c *redis.Client) func(string) error {
			l := redis_rate.NewLimiter(c)
			return func(key string) error {
				_, err := l.Allow(context.Background(), key, redis_rate.PerHour(1e6))
				return err
			}
		}},
		{"httprate-redis", func(b *testing.B, c *redis.Client) func(string) error {
			counter, err := httprateredis.NewRedisLimitCounter(&httprateredis.Config{Client: c, FallbackDisabled: true})
			if err != nil {
				b.Fatal(err)
			}
			const window = time.Hour
			l := httprate.NewRateLimiter(1e6, window, httprate.WithLimitCounter(counter))
			r := httptest.NewRequest("GET", "/", nil)
			return func(key string) error {
				if l.OnLimit(httptest.NewRecorder(), r, key) {
					return fmt.Errorf("denied")
				}
				return nil
			}
		}},
	} {
		b.Run(bc.name, func(b *testing.B) {
			c := redis.NewClient(&redis.Options{Addr: addr, ContextTimeoutEnabled: true, PoolSize: askers})
			defer c.Close()
			ask := bc.make(b, c)
			var keys [1024]string
			for i := range keys {
				keys[i] = fmt.Sprint("user-", i)
				if err := ask(keys[i]); err != nil { // connections and buckets are there
					b.Fatal(err)
				}
			}
			took := make([]time.Duration, b.N)
			var next atomic.Int64
			var wg sync.WaitGroup
			begin := time.Now()
			b.ResetTimer()
			for range askers {
				wg.Go(func() {
					for {
						i := next.Add(1) - 1
						if i >= int64(len(took)) {
							return
						}
						start := time.Now()
						if err := ask(keys[i%int64(len(keys))]); err != nil {
							b.Error(err)
						}
						took[i] = time.Since(start)
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			b.ReportMetric(float64(b.N)/time.Since(begin).Seconds(), "takes/s")
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
		})
	}
}

// BenchmarkHandshake is what a handshake with a rate limit, seats, bans and maintenance costs, with
// these in memory and in a fleet: the processor's time of clients and servers in this process,
// without Redis's own, and commands of Redis's that were waited for.
func BenchmarkHandshake(b *testing.B) {
	addr := ownRedis(b)
	rate := middleware.RateLimitConfig{Rate: middleware.PerSecond(1e6), Key: middleware.BySubject}
	seats := middleware.SeatsConfig{Max: 1e6, Key: middleware.BySubject}
	for _, bc := range []struct {
		name  string
		on    bool
		ahead int
	}{{"off", false, 0}, {"on", true, 0}, {"on,TokensAhead=100", true, 100}} {
		b.Run(bc.name, func(b *testing.B) {
			up := &upgrade.Upgrader{}
			c := middleware.For(up)
			links := chi.Middlewares{c.Use(policy.Named("user", policy.Func(whoever)))}
			var f *fleet.Fleet
			if rate, seats := rate, seats; bc.on {
				client := redis.NewClient(&redis.Options{Addr: addr, ContextTimeoutEnabled: true})
				b.Cleanup(func() { client.Close() }) // after the fleet
				f = join(b, client, bc.ahead)
				rate.Limiter, seats.Store = f.Limiter(), f.Seats()
				links = append(links, c.Use(f.Switch().Maintenance()), c.RateLimit(rate), c.Use(f.Revocations()), c.Seats(seats))
			} else {
				links = append(links, c.Maintenance(&middleware.Switch{}), c.RateLimit(rate), c.Seats(seats))
			}
			r := chi.NewRouter()
			r.With(links...).Handle("/ws/{user}", up.Handler(hold))
			s := httptest.NewServer(r)
			defer s.Close()
			url := "ws" + strings.TrimPrefix(s.URL, "http") + "/ws/ada"
			before := processor()
			for b.Loop() {
				conn, _, _, err := ws.Dial(context.Background(), url)
				if err != nil {
					b.Fatal(err)
				}
				conn.(*net.TCPConn).SetLinger(0) // no port waits
				conn.Close()
			}
			b.ReportMetric(float64((processor()-before).Microseconds())/float64(b.N), "cpu-µs/op")
			if f != nil {
				b.ReportMetric(float64(f.Stats().Commands)/float64(b.N), "commands/op")
			}
		})
	}
}

// processor is the time that this process has used of it.
func processor() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func ownRedis(b *testing.B) (addr string) {
	b.Helper()
	addr, stop, err := startRedis()
	if err != nil {
		b.Skip(err)
	}
	b.Cleanup(stop)
	return addr
}

func join(b *testing.B, c redis.UniversalClient, ahead int) *fleet.Fleet {
	b.Helper()
	f, err := fleet.New(c, fleet.Config{TokensAhead: ahead, Timeout: 5 * time.Second})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { f.Close() })
	<-f.Ready()
	return f
}
