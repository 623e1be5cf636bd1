package fleet_test

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wsverdict/wsverdict/middleware"
	fleet "github.com/wsverdict/wsverdict/middleware/redis"
)

// One table, two limiters: what they say is the same to the token.
func TestLimiterMeansWhatTheOneInMemoryDoes(t *testing.T) {
	t.Parallel()
	remote := join(t, newClient(t, nil, startRedis(t)), fleet.Config{}).Limiter()
	local, err := middleware.NewMemoryLimiter(0)
	must(t, err)

	hourly := func(requests, burst int) middleware.Rate {
		return middleware.Rate{Requests: requests, Per: time.Duration(requests) * time.Hour, Burst: burst} // a token an hour
	}
	type step struct {
		rate    middleware.Rate
		cost    int
		allowed bool
		left    int
		wait    time.Duration // rounded up to hours
	}
	for name, steps := range map[string][]step{
		"one by one": {{hourly(1, 3), 1, true, 2, 0}, {hourly(1, 3), 1, true, 1, 0}, {hourly(1, 3), 1, true, 0, 0},
			{hourly(1, 3), 1, false, 0, time.Hour}, {hourly(1, 3), 1, false, 0, time.Hour}, {hourly(1, 3), 2, false, 0, 2 * time.Hour}},
		"all at once":                   {{hourly(1, 3), 3, true, 0, 0}, {hourly(1, 3), 3, false, 0, 3 * time.Hour}},
		"all or none":                   {{hourly(1, 3), 2, true, 1, 0}, {hourly(1, 3), 2, false, 1, time.Hour}, {hourly(1, 3), 1, true, 0, 0}},
		"more than ever":                {{hourly(1, 3), 4, false, 3, 0}, {hourly(1, 3), math.MaxInt, false, 3, 0}, {hourly(1, 3), 1, true, 2, 0}},
		"no cost counts as one":         {{hourly(1, 3), 0, true, 2, 0}, {hourly(1, 3), -5, true, 1, 0}, {hourly(1, 3), math.MinInt, true, 0, 0}},
		"no burst is the requests'":     {{hourly(5, 0), 5, true, 0, 0}, {hourly(5, 0), 1, false, 0, time.Hour}},
		"a larger cost waits longer":    {{hourly(1, 5), 4, true, 1, 0}, {hourly(1, 5), 2, false, 1, time.Hour}, {hourly(1, 5), 5, false, 1, 4 * time.Hour}},
		"an interval that is no number": {{middleware.Rate{Requests: 3, Per: 10 * time.Hour, Burst: 3}, 3, true, 0, 0}, {middleware.Rate{Requests: 3, Per: 10 * time.Hour, Burst: 3}, 1, false, 0, 4 * time.Hour}},
		"another rate later":            {{hourly(1, 4), 4, true, 0, 0}, {hourly(1, 8), 4, true, 0, 0}, {hourly(1, 8), 1, false, 0, time.Hour}},
		"a burst of thousands":          {{hourly(1, 9000), 8999, true, 1, 0}, {hourly(1, 9000), 1, true, 0, 0}, {hourly(1, 9000), 1, false, 0, time.Hour}},
	} {
		for which, l := range map[string]middleware.Limiter{"memory": local, "Redis": remote} {
			t.Run(name+"/"+which, func(t *testing.T) {
				for i, s := range steps {
					got, err := l.Take(ctx(t), key(name), s.rate, s.cost)
					must(t, err)
					hours := (got.Wait + time.Hour - 1).Truncate(time.Hour)
					if got.Allowed != s.allowed || got.Remaining != s.left || hours != s.wait {
						t.Errorf("step %d: got %+v, want %+v", i+1, got, s)
					}
				}
			})
		}
	}
	for which, l := range map[string]middleware.Limiter{"memory": local, "Redis": remote} {
		if _, err := l.Take(ctx(t), key("wrong"), middleware.Rate{}, 1); err == nil {
			t.Errorf("%s took a rate that is none", which)
		}
	}
}

// Tokens come back with time: the wait that was told is enough, and not much too long.
func TestLimiterRefills(t *testing.T) {
	t.Parallel()
	l := join(t, newClient(t, nil, startRedis(t)), fleet.Config{}).Limiter()
	rate := middleware.Rate{Requests: 1, Per: 100 * time.Millisecond}
	for range 3 {
		begin := time.Now()
		eventually(t, "a token comes back", func() bool {
			got, err := l.Take(ctx(t), key("alice"), rate, 1)
			must(t, err)
			if !got.Allowed && (got.Wait <= 0 || got.Wait > rate.Per) {
				t.Fatalf("%+v", got)
			}
			return got.Allowed
		})
		t.Log(time.Since(begin))
	}
}

// 10,000 takes by five processes at once: exactly as many as the rate allows get through.
func TestLimiterIsExactAcrossProcesses(t *testing.T) {
	t.Parallel()
	redis := startRedis(t)
	servers := startServers(t, 5, plan{Addrs: []string{redis.addr()}})
	results := make([]string, len(servers))
	var wg sync.WaitGroup
	for i, s := range servers {
		wg.Go(func() { results[i] = s.ask(t, "/take?n=2000") })
	}
	wg.Wait()
	total := 0
	for _, r := range results {
		n, err := strconv.Atoi(r)
		must(t, err)
		total += n
	}
	if total != 5000 {
		t.Errorf("%d of 10,000 were allowed (%v), want 5000", total, results)
	}
}

// Who was refused is refused again without a round trip, and let in when the wait is over.
func TestLimiterDoesNotAskAgain(t *testing.T) {
	t.Parallel()
	f := join(t, newClient(t, nil, startRedis(t)), fleet.Config{})
	rate := middleware.PerHour(1)
	for range 100 {
		if _, err := f.Limiter().Take(ctx(t), key("flood"), rate, 1); err != nil {
			t.Fatal(err)
		}
	}
	if s := f.Stats(); s.Commands != 3 || s.RatesLocally != 98 { // the first one twice, since Redis does not know the script
		t.Errorf("%+v: want 3 commands for 100 questions", s)
	}
	if got, err := f.Limiter().Take(ctx(t), key("other"), rate, 1); err != nil || !got.Allowed {
		t.Errorf("%+v, %v: another key pays for the flood", got, err)
	}
}

// Tokens in advance: few round trips, and never more than there are.
func TestLimiterTakesTokensAhead(t *testing.T) {
	t.Parallel()
	client := newClient(t, nil, startRedis(t))
	f, g := join(t, client, fleet.Config{TokensAhead: 50}), join(t, client, fleet.Config{TokensAhead: 50})
	rate := middleware.Rate{Requests: 1000, Per: 24 * time.Hour}
	allowed := 0
	begin := time.Now()
	for range 1000 {
		for _, f := range []*fleet.Fleet{f, g} {
			got, err := f.Limiter().Take(ctx(t), key("hot"), rate, 1)
			must(t, err)
			if got.Allowed {
				allowed++
			}
		}
	}
	lost := 2 * 50 * int(1+time.Since(begin)/time.Second) // at most, of those in hand when a second is over
	if allowed > 1000 || allowed < 1000-lost {
		t.Errorf("%d allowed, want 1000, less what is lost in advance", allowed)
	}
	if commands := f.Stats().Commands + g.Stats().Commands; commands > 500 {
		t.Errorf("%d commands for %d tokens", commands, allowed)
	}
}

// What is in Redis is gone when the bucket is full again, and says nothing if that was asked for.
func TestLimiterLeavesLittleBehind(t *testing.T) {
	t.Parallel()
	client := newClient(t, nil, startRedis(t))
	l := join(t, client, fleet.Config{KeySecret: []byte(strings.Repeat("s", 16)), Prefix: "app"}).Limiter()
	_, err := l.Take(ctx(t), key("alice@example.com"), middleware.PerHour(60), 10)
	must(t, err)
	keys := client.Keys(context.Background(), "app:rate:*").Val()
	if len(keys) != 1 || strings.Contains(keys[0], "alice") {
		t.Fatalf("keys %q", keys)
	}
	if ttl := client.PTTL(context.Background(), keys[0]).Val(); ttl <= 9*time.Minute || ttl > 11*time.Minute {
		t.Errorf("kept for %v, want the 10 minutes in which ten tokens come back", ttl)
	}
	if all := client.Keys(context.Background(), "*").Val(); len(all) != 1 {
		t.Errorf("keys %q", all)
	}
}

// A clock of Redis's that was set back, as by a failover, costs nobody more than the tokens that
// are missing.
func TestLimiterWhenRedisClockIsSetBack(t *testing.T) {
	t.Parallel()
	client := newClient(t, nil, startRedis(t))
	l := join(t, client, fleet.Config{}).Limiter()
	rate := middleware.Rate{Requests: 10, Per: time.Second}
	_, err := l.Take(ctx(t), key("alice"), rate, 10)
	must(t, err)
	name := client.Keys(context.Background(), "wsverdict:rate:*").Val()[0]
	ahead := time.Now().Add(time.Hour).UnixMicro() // the bucket of an hour to come
	must(t, client.Set(context.Background(), name, fmt.Sprint(int64(time.Second), ":", ahead), time.Hour).Err())
	eventually(t, "tokens come back", func() bool {
		got, err := l.Take(ctx(t), key("alice"), rate, 1)
		must(t, err)
		return got.Allowed
	})
}
