package middleware_test

import (
	"context"
	"fmt"
	"math"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wsverdict/wsverdict/middleware"
)

func newLimiter(t testing.TB, rate middleware.Rate, maxKeys int) *middleware.MemoryLimiter {
	t.Helper()
	l, err := middleware.NewMemoryLimiter(rate, maxKeys)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func take(t testing.TB, l middleware.Limiter, key string, cost int) middleware.Taken {
	t.Helper()
	taken, err := l.Take(context.Background(), middleware.StringKey(key), cost)
	if err != nil {
		t.Fatal(err)
	}
	return taken
}

func TestMemoryLimiter(t *testing.T) {
	l := newLimiter(t, middleware.Rate{Requests: 1, Per: time.Hour, Burst: 3}, 0)
	for want := 2; want >= 0; want-- {
		if got := take(t, l, "alice", 1); !got.Allowed || got.Remaining != want {
			t.Errorf("got %+v, want %d remaining", got, want)
		}
	}
	got := take(t, l, "alice", 1)
	if got.Allowed || got.Remaining != 0 || got.Wait <= 59*time.Minute || got.Wait > time.Hour {
		t.Errorf("got %+v, want a denial with an hour to wait", got)
	}
	if got := take(t, l, "alice", 2); got.Allowed || got.Wait <= time.Hour || got.Wait > 2*time.Hour {
		t.Errorf("got %+v, want two hours for two", got)
	}
	if got := take(t, l, "bob", 3); !got.Allowed || got.Remaining != 0 {
		t.Errorf("got %+v: bob has a bucket of his own", got)
	}
	for _, cost := range []int{4, math.MaxInt} {
		if got := take(t, l, "carol", cost); got.Allowed || got.Wait != 0 || got.Remaining != 3 {
			t.Errorf("cost %d: got %+v, want never, and nothing taken", cost, got)
		}
	}
	for _, cost := range []int{0, -5, math.MinInt} {
		take(t, l, fmt.Sprint("dave", cost), cost)
		if got := take(t, l, fmt.Sprint("dave", cost), 3); got.Allowed {
			t.Errorf("cost %d was free", cost)
		}
	}
}

// Tokens come back with time: the wait that was told is enough.
func TestMemoryLimiterRefills(t *testing.T) {
	l := newLimiter(t, middleware.Rate{Requests: 1000, Per: time.Second, Burst: 1}, 0)
	take(t, l, "alice", 1)
	deadline := time.Now().Add(10 * time.Second)
	for !take(t, l, "alice", 1).Allowed {
		if time.Now().After(deadline) {
			t.Fatal("no token came back")
		}
	}
}

// Whatever keys arrive, memory does not grow, and nobody's spent bucket becomes a fresh one.
func TestMemoryLimiterUnderAFloodOfKeys(t *testing.T) {
	l := newLimiter(t, middleware.Rate{Requests: 1, Per: time.Hour}, 100)
	allowed := 0
	flood := func(n int) {
		for i := range n {
			if take(t, l, fmt.Sprint("key", i), 1).Allowed {
				allowed++
			}
		}
	}
	take(t, l, "attacker", 1)
	flood(100_000)
	if allowed > 16*7 { // at most every bucket once: 16 sets of 7 for 100 keys
		t.Errorf("%d keys of a flood got through, more than there are buckets", allowed)
	}
	if take(t, l, "attacker", 1).Allowed {
		t.Error("a spent bucket was reset by the flood")
	}
	if allocs := testing.AllocsPerRun(100, func() { flood(1) }); allocs > 2 { // Sprint's own
		t.Errorf("%v allocations per key", allocs)
	}
}

func TestMemoryLimiterIsExactUnderConcurrency(t *testing.T) {
	l := newLimiter(t, middleware.Rate{Requests: 500, Per: time.Hour}, 0)
	var wg sync.WaitGroup
	var allowed atomic.Int64
	for range 8 {
		wg.Go(func() {
			for range 200 {
				if take(t, l, "alice", 1).Allowed {
					allowed.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if got := allowed.Load(); got != 500 {
		t.Errorf("%d allowed, want 500", got)
	}
}

func TestMemoryLimiterAllocatesNothing(t *testing.T) {
	l := newLimiter(t, middleware.Rate{Requests: 1, Per: time.Minute}, 0)
	for name, key := range map[string]middleware.Key{
		"IPv4": middleware.IPKey(netip.MustParseAddr("192.0.2.1")), "IPv6": middleware.IPKey(netip.MustParseAddr("2001:db8::1")),
		"string": middleware.StringKey("alice"),
	} {
		if n := testing.AllocsPerRun(100, func() { l.Take(context.Background(), key, 1) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func TestMemoryLimiterMistakes(t *testing.T) {
	for _, rate := range []middleware.Rate{
		{}, {Requests: 1}, {Per: time.Second}, {Requests: -1, Per: time.Second}, {Requests: 2, Per: 1},
		{Requests: 1, Per: time.Second, Burst: -1}, {Requests: 1, Per: math.MaxInt64, Burst: 5}, {Requests: 1, Per: time.Second, Burst: math.MaxInt},
	} {
		if _, err := middleware.NewMemoryLimiter(rate, 0); err == nil {
			t.Errorf("%+v was taken", rate)
		}
	}
	_, err := middleware.NewMemoryLimiter(middleware.Rate{}, -1)
	if got := mistakes(t, err); got != 2 {
		t.Errorf("%d mistakes, want 2: %v", got, err)
	}
}

// A string and an address share no bucket, whatever bytes the string has.
func TestKeysOfDifferentKindsShareNoBucket(t *testing.T) {
	addr := netip.MustParseAddr("2001:db8:1:2::")
	bytes := addr.As16()
	l := newLimiter(t, middleware.Rate{Requests: 1, Per: time.Hour}, 0)
	take(t, l, string(bytes[:]), 1)
	if taken, _ := l.Take(context.Background(), middleware.IPKey(addr), 1); !taken.Allowed {
		t.Error("a string emptied an address's bucket")
	}
}
