package bench

import (
	"net/http"
	"testing"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/middleware"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

func status() Row {
	return Row{
		Name: "status", Title: "A denial becomes an HTTP status", Base: "http.Error",
		Note: "With a fresh header map each time, which is in the figures. http.Error writes plain text, wsverdict problem+json.",
		Targets: []Target{
			{Case: "wsverdict", Unit: "allocs/op", Most: 1, More: "a map and three fields (floor)"},
			{Case: "wsverdict, with Retry-After and RateLimit", Unit: "allocs/op", Most: 5, More: "a map and three fields (floor)"},
		},
		Cases: []Case{
			{"a map and three fields (floor)", writing(floor{})},
			{"http.Error", writing(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				http.Error(w, "token_missing", http.StatusUnauthorized)
			}))},
			{"http.Error, with Retry-After and RateLimit", writing(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Retry-After", "3600")
				w.Header().Set("Ratelimit-Policy", `"default";q=1;w=3600`)
				w.Header().Set("Ratelimit", `"default";r=0;t=3600`)
				http.Error(w, "rate_limited", http.StatusTooManyRequests)
			}))},
			{"wsverdict", writing(rejecting())},
			{"wsverdict, with Retry-After and RateLimit", writing(limiting())},
		},
	}
}

func writing(h http.Handler) func(*testing.B) {
	return func(b *testing.B) {
		w, r := newWriter(nil), newRequest()
		for b.Loop() {
			w.header = http.Header{}
			h.ServeHTTP(w, r)
		}
	}
}

type floor struct{}

var floorValues = []string{"nosniff"}

func (floor) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h["Content-Type"], h["X-Content-Type-Options"], h["Cache-Control"] = floorValues, floorValues, floorValues
}

func rejecting() http.Handler {
	var up upgrade.Upgrader
	verdict := policy.Reject(codes.Unauthorized, "token_missing")
	return up.Use(policy.Func(func(*http.Request) policy.Verdict { return verdict }))(http.NotFoundHandler())
}

// limiting is a rate limit whose only token is spent, so that it judges and denies.
func limiting() http.Handler {
	up := &upgrade.Upgrader{MaxLingering: -1}
	h := middleware.For(up).RateLimit(middleware.RateLimitConfig{Rate: middleware.PerHour(1)})(http.NotFoundHandler())
	h.ServeHTTP(newWriter(nil), newRequest())
	return h
}
