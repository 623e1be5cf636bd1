package middleware_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/wsverdict/wsverdict/middleware"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

// Different keys are different wherever they are kept: as values, as text, and in the limiter's table.
func TestKeys(t *testing.T) {
	keys := map[string]middleware.Key{
		"tenant:acme":          middleware.NewKey("tenant", "acme"),
		"user:acme":            middleware.NewKey("user", "acme"),
		"user:":                middleware.NewKey("user", ""),
		":user":                middleware.NewKey("", "user"),
		"a:b:c":                middleware.NewKey("a", "b:c"),
		"a%3Ab:c":              middleware.NewKey("a:b", "c"),
		"a%2Fb:c":              middleware.NewKey("a/b", "c"),
		"a%252Fb:c":            middleware.NewKey("a%2Fb", "c"),
		"ip:192.0.2.1":         middleware.IPKey(netip.MustParseAddr("192.0.2.1")),
		"ip:2001:db8::/64":     middleware.IPKey(netip.MustParseAddr("2001:db8::1")),
		"user:192.0.2.1":       middleware.NewKey("user", "192.0.2.1"),
		"user:2001:db8:1::/64": middleware.NewKey("user", "2001:db8:1::/64"),
	}
	l := newLimiter(t, middleware.PerHour(1), 0)
	seen := map[middleware.Key]string{}
	for want, key := range keys {
		if got := key.String(); got != want {
			t.Errorf("text %q, want %q", got, want)
		}
		if other, ok := seen[key]; ok {
			t.Errorf("%s equals %s", want, other)
		}
		seen[key] = want
		if taken, err := l.Take(t.Context(), key, l.rate, 1); err != nil || !taken.Allowed {
			t.Errorf("%s shares a bucket", want)
		}
	}
	if n := testing.AllocsPerRun(100, func() { _ = middleware.NewKey("tenant", "acme") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Whichever policy said who this is, one key function finds it.
func TestBySubject(t *testing.T) {
	users := middleware.MustJWT(testConfig())
	ws := middleware.For(&upgrade.Upgrader{})
	machines := policy.Func(func(r *http.Request) policy.Verdict {
		if r.Header.Get("X-Machine") == "" {
			return policy.Verdict{}
		}
		return policy.Allow().WithSubject("pump-7")
	})
	var key middleware.Key
	var ok bool
	chain := ws.Use(policy.Any(users, machines))(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { key, ok = middleware.BySubject(r) }))
	for want, r := range map[string]*http.Request{
		"subject:alice":  newRequest(t, "Authorization", "Bearer "+sign(t, testKey, goodClaims())),
		"subject:pump-7": newRequest(t, "X-Machine", "1"),
	} {
		key, ok = middleware.Key{}, false
		chain.ServeHTTP(httptest.NewRecorder(), r)
		if !ok || key.String() != want {
			t.Errorf("got %v %v, want %s", key, ok, want)
		}
	}
	if _, ok := middleware.BySubject(newRequest(t)); ok {
		t.Error("a key for nobody")
	}
}
