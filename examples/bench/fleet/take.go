package fleet

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-chi/httprate"
	httprateredis "github.com/go-chi/httprate-redis"
	"github.com/go-redis/redis_rate/v10"
	"github.com/redis/go-redis/v9"

	"github.com/wsverdict/wsverdict/examples/bench/internal/process"
	"github.com/wsverdict/wsverdict/middleware"
	fleet "github.com/wsverdict/wsverdict/middleware/redis"
)

const (
	askers      = 32 // goroutines, with a connection each where a library needs one
	manyKeys    = 1024
	tokensAhead = 100
)

// A limiter asks Redis for a token of a key's.
type limiter struct {
	name string
	make func(*redis.Client) (ask func(key string) error, end func() error, err error)
}

var limiters = []limiter{
	{"redis_rate", func(c *redis.Client) (func(string) error, func() error, error) {
		l := redis_rate.NewLimiter(c)
		return func(key string) error {
			got, err := l.Allow(context.Background(), key, redis_rate.PerHour(1e6))
			return allowed(err == nil && got.Allowed == 1, err)
		}, nothing, nil
	}},
	{"httprate-redis", func(c *redis.Client) (func(string) error, func() error, error) {
		counter, err := httprateredis.NewRedisLimitCounter(&httprateredis.Config{Client: c, FallbackDisabled: true})
		if err != nil {
			return nil, nil, err
		}
		l := httprate.NewRateLimiter(1e6, time.Hour, httprate.WithLimitCounter(counter))
		r := httptest.NewRequest("GET", "/", nil)
		return func(key string) error {
			return allowed(!l.OnLimit(httptest.NewRecorder(), r, key), nil)
		}, nothing, nil
	}},
	{"wsverdict", ours(0)},
	{fmt.Sprint("wsverdict, TokensAhead ", tokensAhead), ours(tokensAhead)},
}

func ours(ahead int) func(*redis.Client) (func(string) error, func() error, error) {
	return func(c *redis.Client) (func(string) error, func() error, error) {
		f, err := fleet.New(c, fleet.Config{TokensAhead: ahead, Timeout: patience})
		if err != nil {
			return nil, nil, err
		}
		l := f.Limiter()
		return func(key string) error {
			got, err := l.Take(context.Background(), middleware.NewKey("user", key), middleware.PerHour(1e6), 1)
			return allowed(got.Allowed, err)
		}, f.Close, nil
	}
}

func nothing() error { return nil }

func allowed(is bool, err error) error {
	if err == nil && !is {
		err = errors.New("fleet: denied")
	}
	return err
}

// take takes n tokens.
func (l limiter) take(addr string, n int) (figures, error) {
	c := newClient(addr)
	defer c.Close()
	ask, end, err := l.make(c)
	if err != nil {
		return nil, err
	}
	defer end()
	var keys [manyKeys]string
	for i := range keys {
		keys[i] = fmt.Sprint("user-", i)
	}
	if _, _, err := atOnce(len(keys), func(i int) error { return ask(keys[i]) }); err != nil { // connections and buckets are there
		return nil, err
	}
	runtime.GC()
	redisBefore, err := redisCPU(addr)
	if err != nil {
		return nil, err
	}
	before := process.Now().CPU
	took, times, err := atOnce(n, func(i int) error { return ask(keys[i%len(keys)]) })
	if err != nil {
		return nil, err
	}
	after := process.Now().CPU
	redisAfter, err := redisCPU(addr)
	if err != nil {
		return nil, err
	}
	each := func(d time.Duration) float64 { return micro(d) / float64(n) }
	return figures{
		"takes/s": float64(n) / took.Seconds(), "each-µs": each(took), "p50-µs": micro(percentile(times, 50)), "p99-µs": micro(percentile(times, 99)),
		"cpu-µs": each(after - before), "redis-cpu-µs": each(redisAfter - redisBefore),
	}, nil
}

// atOnce calls do for 0 to n-1, as many of them at a time as there are askers, and returns how long all and each of them took.
func atOnce(n int, do func(i int) error) (took time.Duration, times []time.Duration, err error) {
	times = make([]time.Duration, n)
	var next atomic.Int64
	var failed atomic.Pointer[error]
	var workers sync.WaitGroup
	begun := time.Now()
	for range askers {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				start := time.Now()
				if err := do(i); err != nil {
					failed.Store(&err)
				}
				times[i] = time.Since(start)
			}
		})
	}
	workers.Wait()
	if err := failed.Load(); err != nil {
		return 0, nil, *err
	}
	return time.Since(begun), times, nil
}

func percentile(times []time.Duration, p int) time.Duration {
	sorted := slices.Sorted(slices.Values(times))
	return sorted[min(len(sorted)-1, len(sorted)*p/100)]
}

func micro(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
