package bench

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-chi/httprate"
	"github.com/sethvargo/go-limiter/memorystore"
	"golang.org/x/time/rate"

	"github.com/wsverdict/wsverdict/middleware"
)

// keys are 16,384 subjects.
var keys = func() (k [1 << 14]string) {
	for i := range k {
		k[i] = fmt.Sprintf("user-%05d", i)
	}
	return k
}()

func limiters() Row {
	return Row{
		Name: "limiters", Title: "In-memory rate limiters, two goroutines, 16,384 keys", Base: "go-limiter",
		Note:    "One token of one key's bucket, keys in mixed order, nobody denied. Time is the wall clock's over all operations of both.",
		Targets: []Target{{Case: "wsverdict", Unit: "ns/op", Most: 60}, {Case: "wsverdict", Unit: "allocs/op", Most: 0}},
		Cases: []Case{
			{"go-limiter", taking(func() func(string) {
				store, err := memorystore.New(&memorystore.Config{Tokens: 1e9, Interval: time.Second})
				if err != nil {
					panic(err)
				}
				return func(key string) { store.Take(context.Background(), key) }
			})},
			{"x/time/rate, a map and a mutex", taking(func() func(string) {
				var mu sync.Mutex
				buckets := map[string]*rate.Limiter{}
				return func(key string) {
					mu.Lock()
					l, ok := buckets[key]
					if !ok {
						l = rate.NewLimiter(1e9, 1e9)
						buckets[key] = l
					}
					mu.Unlock()
					l.Allow()
				}
			})},
			{"httprate's counter", taking(func() func(string) {
				const window = time.Minute
				counter := httprate.NewLocalLimitCounter(window)
				return func(key string) {
					now := time.Now().UTC().Truncate(window)
					counter.Get(key, now, now.Add(-window))
					counter.IncrementBy(key, now, 1)
				}
			})},
			{"wsverdict", taking(func() func(string) {
				l, err := middleware.NewMemoryLimiter(0)
				if err != nil {
					panic(err)
				}
				return func(key string) {
					l.Take(context.Background(), middleware.NewKey("user", key), middleware.PerSecond(1e9), 1)
				}
			})},
		},
	}
}

func taking(limiter func() func(key string)) func(*testing.B) {
	return func(b *testing.B) {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
		take := limiter()
		for _, key := range keys { // buckets are made once
			take(key)
		}
		var goroutines atomic.Uint32
		b.ResetTimer()
		b.RunParallel(func(pb *testing.PB) {
			for i := goroutines.Add(1) * 7919; pb.Next(); i += 6151 { // odd: passes every key
				take(keys[i%uint32(len(keys))])
			}
		})
	}
}
