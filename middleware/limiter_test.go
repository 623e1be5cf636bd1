package middleware_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsverdict/wsverdict/middleware"
)

// limited is a MemoryLimiter that is asked for one rate.
type limited struct {
	*middleware.MemoryLimiter
	rate middleware.Rate
}

func newLimiter(t testing.TB, rate middleware.Rate, maxKeys int) limited {
	t.Helper()
	l, err := middleware.NewMemoryLimiter(maxKeys)
	if err != nil {
		t.Fatal(err)
	}
	return limited{l, rate}
}

func take(t testing.TB, l limited, key string, cost int) middleware.Taken {
	t.Helper()
	taken, err := l.Take(context.Background(), middleware.NewKey("user", key), l.rate, cost)
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

// Whoever comes with a new address each time takes no place from keys in use.
func TestMemoryLimiterKeepsKeysInUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, middleware.PerMinute(20), 100)
		for round := range 30 {
			for i := range 7 { // as many as have place in a part of the table
				for range 2 {
					if key := fmt.Sprint("honest", i); !take(t, l, key, 1).Allowed {
						t.Fatalf("round %d: %s was denied", round, key)
					}
				}
			}
			time.Sleep(10 * time.Second)
			for i := range 5000 {
				take(t, l, fmt.Sprint("address", round, i), 1)
			}
		}
	})
}

// Nor does whoever comes from each address several times, and so looks like many who are in use. The keys in
// use come now and then, while the flood goes on all the time.
func TestMemoryLimiterKeepsKeysInUseFromKeysThatComeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, middleware.PerMinute(20), 100)
		const before, end = 60, 300 // seconds
		for second := range end {
			for i := range 7 {
				if second%10 != i {
					continue
				}
				if key := fmt.Sprint("honest", i); !take(t, l, key, 1).Allowed {
					t.Fatalf("second %d: %s was denied", second, key)
				}
			}
			for i := range 500 {
				for range 3 {
					if second >= before {
						take(t, l, fmt.Sprint("address", second, i), 1)
					}
				}
			}
			time.Sleep(time.Second)
		}
	})
}

// A key takes over what others lack, but no more than its own bucket can: in a table of several rates,
// those who spent the slowest would lock all others out for as long as that takes to fill.
func TestMemoryLimiterKeepsASlowDebtFromFastKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := newLimiter(t, middleware.Rate{Requests: 5, Per: time.Hour}, 7)
		for i := range 8 { // one more than there is place for
			take(t, slow, fmt.Sprint("slow", i), 5)
		}
		fast := limited{slow.MemoryLimiter, middleware.PerSecond(20)}
		take(t, fast, "fast", 1)
		time.Sleep(time.Second)
		if got := take(t, fast, "fast", 20); !got.Allowed {
			t.Errorf("got %+v a second later, want a full bucket", got)
		}
		for i := range 8 {
			if got := take(t, slow, fmt.Sprint("slow", i), 1); got.Allowed {
				t.Errorf("slow%d: got %+v, want a spent bucket", i, got)
			}
		}
	})
}

// However a spent key is made to be forgotten, it gets no more than it has coming.
func TestMemoryLimiterForgetsNoDebt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const burst = 10
		rng := rand.New(rand.NewPCG(1, 2))
		l := newLimiter(t, middleware.Rate{Requests: 1, Per: time.Second, Burst: burst}, 20)
		begun, got := time.Now(), 0
		for range 20_000 {
			switch rng.IntN(4) {
			case 0:
				time.Sleep(time.Duration(rng.IntN(5000)) * time.Millisecond)
			case 1:
				for range 20 {
					if take(t, l, "attacker", 1).Allowed {
						got++
					}
				}
			default:
				key := fmt.Sprint(rng.IntN(1000))
				for range 1 + rng.IntN(3) {
					take(t, l, key, 1)
				}
			}
			if most := burst + int(time.Since(begun)/time.Second); got > most {
				t.Fatalf("%d requests in %v, want at most %d", got, time.Since(begun), most)
			}
		}
	})
}

// A key that was forgotten does not come back for the full bucket of one that is no longer in use.
func TestMemoryLimiterForgetsNoDebtWhereKeysGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, middleware.Rate{Requests: 1, Per: time.Second, Burst: 10}, 7)
		take(t, l, "steady", 1)
		take(t, l, "steady", 1)
		time.Sleep(9 * time.Second)
		for i := range 6 {
			take(t, l, fmt.Sprint("attacker", i), 10)
		}
		take(t, l, "another", 1) // in a full table
		time.Sleep(3500 * time.Millisecond)
		for i := range 6 * 3 {
			take(t, l, fmt.Sprint("flood", i), 1)
		}
		got := 0
		for range 10 {
			if take(t, l, "attacker0", 1).Allowed {
				got++
			}
		}
		if got > 3 {
			t.Errorf("%d tokens 3.5 seconds after all were spent, want at most 3", got)
		}
	})
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
		"string": middleware.NewKey("user", "alice"),
	} {
		if n := testing.AllocsPerRun(100, func() { l.Take(context.Background(), key, l.rate, 1) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func TestMemoryLimiterMistakes(t *testing.T) {
	for _, n := range []int{-1, 1<<28 + 1} {
		_, err := middleware.NewMemoryLimiter(n)
		if got := mistakes(t, err); got != 1 {
			t.Errorf("%d keys: %d mistakes, want 1: %v", n, got, err)
		}
	}
}

// A string and an address share no bucket, whatever bytes the string has.
func TestKeysOfDifferentKindsShareNoBucket(t *testing.T) {
	addr := netip.MustParseAddr("2001:db8:1:2::")
	bytes := addr.As16()
	l := newLimiter(t, middleware.Rate{Requests: 1, Per: time.Hour}, 0)
	take(t, l, string(bytes[:]), 1)
	if taken, _ := l.Take(context.Background(), middleware.IPKey(addr), l.rate, 1); !taken.Allowed {
		t.Error("a string emptied an address's bucket")
	}
}

// Each request brings its rate: two plans in one limiter, each with what it may.
func TestMemoryLimiterWithTwoRates(t *testing.T) {
	l := newLimiter(t, middleware.Rate{}, 0)
	free, paid := limited{l.MemoryLimiter, middleware.PerHour(1)}, limited{l.MemoryLimiter, middleware.PerHour(3)}
	for i, want := range []bool{true, false, false, false} {
		if got := take(t, free, "alice", 1); got.Allowed != want {
			t.Errorf("free, request %d: %+v", i+1, got)
		}
	}
	for i, want := range []bool{true, true, true, false} {
		got := take(t, paid, "bob", 1)
		if got.Allowed != want || want && got.Remaining != 2-i {
			t.Errorf("paid, request %d: %+v", i+1, got)
		}
	}
	if got := take(t, paid, "alice", 1); got.Allowed { // her hour of waiting is longer than the new plan's bucket
		t.Errorf("a spent bucket was reset by a change of plan: %+v", got)
	}
}
