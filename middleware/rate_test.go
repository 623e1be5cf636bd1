package middleware_test

import (
	"context"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wsverdict/wsverdict/middleware"
)

// Every mistake in a Rate is reported, whoever takes it; one does not hide the other.
func TestRateMistakes(t *testing.T) {
	l, err := middleware.NewMemoryLimiter(0)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		rate middleware.Rate
		want int
	}{
		{rate: middleware.Rate{}, want: 1},
		{rate: middleware.Rate{Requests: 1}, want: 1},
		{rate: middleware.Rate{Per: time.Second}, want: 1},
		{rate: middleware.Rate{Requests: -1, Per: time.Second}, want: 1},
		{rate: middleware.Rate{Requests: 2, Per: 1}, want: 1},
		{rate: middleware.Rate{Requests: 1, Per: time.Second, Burst: -1}, want: 1},
		{rate: middleware.Rate{Requests: 1, Per: math.MaxInt64, Burst: 5}, want: 1},
		{rate: middleware.Rate{Requests: 1, Per: time.Second, Burst: math.MaxInt}, want: 1},
		{rate: middleware.Rate{Burst: -1}, want: 2},
		{rate: middleware.Rate{Requests: 2, Per: 1, Burst: -1}, want: 2},
	} {
		if got := mistakes(t, tc.rate.Check()); got != tc.want {
			t.Errorf("%+v: %d mistakes, want %d: %v", tc.rate, got, tc.want, tc.rate.Check())
		}
		if taken, err := l.Take(context.Background(), middleware.NewKey("user", "alice"), tc.rate, 1); err == nil || taken.Allowed {
			t.Errorf("%+v: a limiter took it: %+v", tc.rate, taken)
		}
	}
	for _, rate := range []middleware.Rate{middleware.PerSecond(1), middleware.PerMinute(60), {Requests: 1, Per: time.Hour, Burst: 7}} {
		if err := rate.Check(); err != nil {
			t.Errorf("%+v: %v", rate, err)
		}
	}
	if _, err := middleware.NewRateLimit(middleware.RateLimitConfig{}); !strings.Contains(err.Error(), "Rate is missing: PerMinute(20), say") {
		t.Errorf("an empty RateLimitConfig: %v", err)
	}
	if r := middleware.PerMinute(60); r.Interval() != time.Second || r.Capacity() != 60 {
		t.Errorf("interval %v, capacity %d", r.Interval(), r.Capacity())
	}
}

// The field says how many in how many whole seconds, also where the rate is of another time.
func TestRateLimitPolicyField(t *testing.T) {
	for _, tc := range []struct {
		rate middleware.Rate
		want string
	}{
		{middleware.PerSecond(5), "q=5;w=1"},
		{middleware.PerMinute(20), "q=20;w=60"},
		{middleware.Rate{Requests: 5, Per: 100 * time.Millisecond}, "q=50;w=1"},
		{middleware.Rate{Requests: 10, Per: 1500 * time.Millisecond}, "q=13;w=2"},
		{middleware.Rate{Requests: 10, Per: math.MaxInt64, Burst: 1}, "q=10;w=9223372037"},
	} {
		l := newRateLimit(t, middleware.RateLimitConfig{Rate: tc.rate, Cost: func(*http.Request) int { return math.MaxInt }})
		if got := headerOf(l.Judge(newRequest(t)), "Ratelimit-Policy"); !strings.HasSuffix(got, tc.want) {
			t.Errorf("%+v: %q, want %q", tc.rate, got, tc.want)
		}
	}
}
