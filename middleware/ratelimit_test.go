package middleware_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	chi "github.com/go-chi/chi/v5/middleware"
	"github.com/golang-jwt/jwt/v5"

	"github.com/wsverdict/wsverdict/middleware"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

func newRateLimit(t testing.TB, cfg middleware.RateLimitConfig) *middleware.RateLimit {
	t.Helper()
	l, err := middleware.NewRateLimit(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func headerOf(v policy.Verdict, name string) (value string) {
	for k, v := range v.Header() {
		if k == name {
			value = v
		}
	}
	return value
}

func TestRateLimit(t *testing.T) { synctest.Test(t, testRateLimit) }

func testRateLimit(t *testing.T) {
	l := newRateLimit(t, middleware.RateLimitConfig{Rate: middleware.PerHour(2), Name: "handshakes"})
	for range 2 {
		checkVerdict(t, l.Judge(newRequest(t)), 0, "")
	}
	v := l.Judge(newRequest(t))
	checkVerdict(t, v, 429, "rate_limited;do=backoff;after=1800")
	if got, want := headerOf(v, "Ratelimit"), `"handshakes";r=0;t=1800`; got != want {
		t.Errorf("RateLimit %q, want %q", got, want)
	}
	if got, want := headerOf(v, "Ratelimit-Policy"), `"handshakes";q=2;w=3600`; got != want {
		t.Errorf("RateLimit-Policy %q, want %q", got, want)
	}
}

func TestRateLimitCost(t *testing.T) { synctest.Test(t, testRateLimitCost) }

func testRateLimitCost(t *testing.T) {
	l := newRateLimit(t, middleware.RateLimitConfig{Rate: middleware.PerHour(5), Cost: func(r *http.Request) int {
		if r.URL.Path == "/dear" {
			return 4
		}
		return 0
	}})
	dear := newRequest(t)
	dear.URL.Path = "/dear"
	checkVerdict(t, l.Judge(dear), 0, "")
	checkVerdict(t, l.Judge(newRequest(t)), 0, "") // costs 1 all the same
	checkVerdict(t, l.Judge(newRequest(t)), 429, "rate_limited;do=backoff;after=720")
}

func TestByIP(t *testing.T) {
	for _, tc := range []struct {
		name, peer, trusted string
		want                string
	}{
		{"peer", "192.0.2.1:1234", "", "ip:192.0.2.1"},
		{"mapped into IPv6", "[::ffff:192.0.2.1]:1234", "", "ip:192.0.2.1"},
		{"IPv6 by its /64", "[2001:db8:1:2:3:4:5:6]:1234", "", "ip:2001:db8:1:2::/64"},
		{"IPv6 with a zone", "[fe80::1%eth0]:1234", "", "ip:fe80::/64"},
		{"chi's client IP", "10.0.0.1:1234", "198.51.100.7", "ip:198.51.100.7"},
		{"header that nobody vouches for", "10.0.0.1:1234", "", "ip:10.0.0.1"},
		{"Unix socket", "@", "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRequest(t, "X-Forwarded-For", "203.0.113.9", "X-Real-Ip", "203.0.113.9", "Cf-Connecting-Ip", tc.trusted)
			r.RemoteAddr = tc.peer
			var key middleware.Key
			var ok bool
			var h http.Handler = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { key, ok = middleware.ByIP(r) })
			if tc.trusted != "" {
				h = chi.ClientIPFromHeader("CF-Connecting-IP")(h)
			}
			h.ServeHTTP(httptest.NewRecorder(), r)
			if ok != (tc.want != "") || ok && key.String() != tc.want {
				t.Errorf("got %v %v, want %s", key, ok, tc.want)
			}
			if n := testing.AllocsPerRun(100, func() { middleware.ByIP(r) }); ok && n != 0 {
				t.Errorf("%v allocations", n)
			}
		})
	}
}

// Who has no key is denied, and takes nothing from a bucket that others would share.
func TestRateLimitWithoutKey(t *testing.T) {
	l := newRateLimit(t, middleware.RateLimitConfig{Rate: middleware.PerHour(1)})
	nobody := newRequest(t)
	nobody.RemoteAddr = "@"
	for range 3 {
		checkVerdict(t, l.Judge(nobody), 500, "rate_limit_key_missing;do=backoff")
	}
}

var errDown = errors.New("limiter down")

type limiterFunc func(context.Context, middleware.Key, middleware.Rate) (middleware.Taken, error)

func (f limiterFunc) Take(ctx context.Context, k middleware.Key, rate middleware.Rate, _ int) (middleware.Taken, error) {
	return f(ctx, k, rate)
}

func TestRateLimitWhenItsLimiterFails(t *testing.T) {
	for _, tc := range []struct {
		name string
		mode middleware.FailureMode
		want []string // of three requests
	}{
		{"default", 0, []string{"", "rate_limited;do=backoff;after=3600", "rate_limited;do=backoff;after=3600"}},
		{"deny", middleware.DenyOnFailure, []string{"rate_limit_unavailable;do=backoff", "rate_limit_unavailable;do=backoff", "rate_limit_unavailable;do=backoff"}},
		{"allow", middleware.InsecureAllowOnFailure, []string{"", "", ""}},
	} {
		synctest.Test(t, func(t *testing.T) {
			told := 0
			l := newRateLimit(t, middleware.RateLimitConfig{Rate: middleware.PerHour(1), OnFailure: tc.mode,
				Limiter: limiterFunc(func(context.Context, middleware.Key, middleware.Rate) (middleware.Taken, error) {
					return middleware.Taken{}, errDown
				}),
				OnError: func(_ *http.Request, err error) {
					if errors.Is(err, errDown) {
						told++
					}
				},
			})
			for _, want := range tc.want {
				if got := l.Judge(newRequest(t)).Reason().String(); got != want {
					t.Errorf("%s: got %q, want %q", tc.name, got, want)
				}
			}
			if told != 3 {
				t.Errorf("%s: told of %d failures, want 3", tc.name, told)
			}
		})
	}
}

// A limiter that ignores its context holds nobody up, and who falls back is counted by the rate and key that the request has.
func TestRateLimitWhenItsLimiterHangs(t *testing.T) {
	synctest.Test(t, testRateLimitWhenItsLimiterHangs)
}

func testRateLimitWhenItsLimiterHangs(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	var asked []string
	l := newRateLimit(t, middleware.RateLimitConfig{Rate: middleware.PerHour(1), Timeout: time.Millisecond, Key: byUser, Name: "a/b",
		RateFor: func(r *http.Request) (middleware.Rate, bool) {
			return middleware.PerHour(2), r.Header.Get("User") == "paid"
		},
		Limiter: limiterFunc(func(context.Context, middleware.Key, middleware.Rate) (middleware.Taken, error) {
			<-release
			return middleware.Taken{Allowed: true}, nil
		}),
		OnError: func(_ *http.Request, err error) { asked = append(asked, err.Error()) },
	})
	for user, want := range map[string][]string{
		"free": {"", "rate_limited;do=backoff;after=3600"},
		"paid": {"", "", "rate_limited;do=backoff;after=1800"},
	} {
		for _, want := range want {
			if got := l.Judge(newRequest(t, "User", user)).Reason().String(); got != want {
				t.Errorf("%s: got %q, want %q", user, got, want)
			}
		}
	}
	if len(asked) != 5 {
		t.Errorf("told of %q", asked)
	}
}

// The rate of a tenant or plan is what counts and what the header fields say; a wrong one is none.
func TestRateFor(t *testing.T) {
	rates := map[string]middleware.Rate{
		"paid":  {Requests: 3, Per: time.Hour},
		"wrong": {Requests: 0, Per: time.Hour},
	}
	var told error
	var got []string
	l := newRateLimit(t, middleware.RateLimitConfig{Rate: middleware.PerHour(1), Key: byUser,
		RateFor: func(r *http.Request) (middleware.Rate, bool) { q, ok := rates[r.Header.Get("User")]; return q, ok },
		OnError: func(_ *http.Request, err error) { told = err },
		Limiter: limiterFunc(func(_ context.Context, k middleware.Key, rate middleware.Rate) (middleware.Taken, error) {
			got = append(got, fmt.Sprint(k, " ", rate.Requests))
			return middleware.Taken{}, nil
		}),
	})
	for user, policy := range map[string]string{"paid": `"default";q=3;w=3600`, "wrong": `"default";q=1;w=3600`, "free": `"default";q=1;w=3600`} {
		told, got = nil, nil
		v := l.Judge(newRequest(t, "User", user))
		if got := headerOf(v, "Ratelimit-Policy"); got != policy {
			t.Errorf("%s: %q, want %q", user, got, policy)
		}
		if (told != nil) != (user == "wrong") {
			t.Errorf("%s: told of %v", user, told)
		}
		if want := fmt.Sprintf("default/user:%s %d", user, max(1, rates[user].Requests)); len(got) != 1 || got[0] != want {
			t.Errorf("asked for %q, want %q", got, want)
		}
	}
}

func TestRateLimitMistakes(t *testing.T) {
	_, err := middleware.NewRateLimit(middleware.RateLimitConfig{Rate: middleware.Rate{Burst: -1}, OnFailure: 9, Timeout: -1, MaxKeys: -1, Name: "a\nb"})
	if got := mistakes(t, err); got != 6 {
		t.Errorf("%d mistakes, want 6:\n%v", got, err)
	}
	if err := panicError(t, func() { middleware.MustRateLimit(middleware.RateLimitConfig{}) }); mistakes(t, err) == 0 {
		t.Errorf("panic %v", err)
	}
}

func BenchmarkMemoryLimiter(b *testing.B) {
	l := newLimiter(b, middleware.Rate{Requests: 1000, Per: time.Second}, 0)
	keys := make([]middleware.Key, 1<<14)
	for i := range keys {
		keys[i] = middleware.NewKey("user", "user-"+time.Duration(i).String())
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			l.Take(context.Background(), keys[i&(1<<14-1)], l.rate, 1)
		}
	})
}

// A forged token costs a signature check: the limiter by IP in front of the JWT bounds how many, one by subject behind it
// does not.
func TestForgedTokensAreLimitedBeforeTheyAreChecked(t *testing.T) {
	checks := 0
	users := middleware.MustJWT(testConfig(func(c *middleware.JWTConfig[appClaims]) {
		c.Keys = middleware.KeysFunc(func(context.Context, *jwt.Token) (any, error) { checks++; return &testKey.PublicKey, nil })
	}))
	ws := middleware.For(&upgrade.Upgrader{})
	chain := ws.RateLimit(middleware.RateLimitConfig{Rate: middleware.PerHour(10)})(ws.Use(users)(http.NotFoundHandler()))
	forged := sign(t, newKey(), goodClaims())
	statuses := map[int]int{}
	for range 200 {
		w := httptest.NewRecorder()
		chain.ServeHTTP(w, newRequest(t, "Authorization", "Bearer "+forged))
		statuses[w.Code]++
	}
	if checks != 10 || statuses[401] != 10 || statuses[429] != 190 {
		t.Errorf("%d signature checks, statuses %v; want 10, and 10 × 401, 190 × 429", checks, statuses)
	}
}
