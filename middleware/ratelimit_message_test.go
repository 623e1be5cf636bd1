package middleware_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsverdict/wsverdict/middleware"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

// A session ends with the verdict at the message that is one too many; connections of one key share the rate.
func TestMessageRate(t *testing.T) { synctest.Test(t, testMessageRate) }

func testMessageRate(t *testing.T) {
	limit := newRateLimit(t, middleware.RateLimitConfig{Rate: middleware.PerHour(3), Key: byUser,
		RateFor: func(r *http.Request) (middleware.Rate, bool) {
			return middleware.PerHour(5), r.Header.Get("User") == "paid"
		}})
	up := &upgrade.Upgrader{}
	h := up.Handler(func(r *http.Request) (upgrade.Session, error) {
		sent, err := limit.Messages(r)
		if err != nil {
			return nil, err
		}
		return func(ctx context.Context, c *upgrade.Conn) error {
			for {
				typ, message, err := c.Read(ctx, nil)
				if err != nil {
					return err
				}
				if err := sent.Take(ctx, 1); err != nil {
					return err
				}
				if err := c.Write(ctx, typ, message); err != nil {
					return err
				}
			}
		}, nil
	})
	first, second, paid := dialInMemory(t, h, "User", "free"), dialInMemory(t, h, "User", "free"), dialInMemory(t, h, "User", "paid")
	first.say("1", "1")
	second.say("2", "2")
	first.say("3", "3")
	for range 5 {
		paid.say("mine", "mine")
	}
	for _, p := range []*peer{second, first} {
		p.send(textFrame("4"))
		p.wantClose(4429, "rate_limited;do=backoff;after=1200")
	}
	paid.send(textFrame("6"))
	paid.wantClose(4429, "rate_limited;do=backoff;after=720")
	nobody := dialInMemory(t, h)
	nobody.wantClose(4500, "rate_limit_key_missing;do=backoff")
}

// A failing limiter is treated as for requests, and there is no request to tell of.
func TestMessageRateWhenItsLimiterFails(t *testing.T) {
	synctest.Test(t, testMessageRateWhenItsLimiterFails)
}

func testMessageRateWhenItsLimiterFails(t *testing.T) {
	told := 0
	limit := newRateLimit(t, middleware.RateLimitConfig{Rate: middleware.PerHour(1),
		Limiter: limiterFunc(func(context.Context, middleware.Key, middleware.Rate) (middleware.Taken, error) {
			return middleware.Taken{}, errDown
		}),
		OnError: func(r *http.Request, err error) {
			if r != nil || !errors.Is(err, errDown) {
				t.Errorf("told of %v, %v", r, err)
			}
			told++
		},
	})
	sent, err := limit.Messages(newRequest(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := sent.Take(t.Context(), 0); err != nil {
		t.Error(err)
	}
	var v policy.Verdict
	if err := sent.Take(t.Context(), 1); !errors.As(err, &v) || v.After() != time.Hour {
		t.Errorf("got %v", err)
	}
	if told != 2 {
		t.Errorf("told %d times", told)
	}
}

func TestMessageRateAllocations(t *testing.T) {
	limit := newRateLimit(t, middleware.RateLimitConfig{Rate: middleware.Rate{Requests: 1 << 20, Per: time.Second}})
	sent, err := limit.Messages(newRequest(t))
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	if n := testing.AllocsPerRun(1000, func() { err = sent.Take(ctx, 1) }); n != 0 || err != nil {
		t.Errorf("%v allocations, error %v", n, err)
	}
}
