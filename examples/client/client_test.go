package client

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/golang-jwt/jwt/v5"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/middleware"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
	"github.com/wsverdict/wsverdict/upgrade/upgradetest"
)

// Each action, said at the door to the first attempt: the page does what it means, and is admitted then.
func TestActions(t *testing.T) {
	inBrowsers(t, func(t *testing.T, b *browser) {
		for _, tc := range []struct {
			name      string
			verdict   policy.Verdict
			attempts  int64
			refreshed int
			path      string        // after the first attempt
			least     time.Duration // between the refusal and the next attempt
		}{
			{"stop", policy.Close(codes.Forbidden, "not_a_member"), 1, 0, "closed", 0},
			{"refresh", policy.Close(codes.Unauthorized, "token_expired"), 2, 1, "refreshing connecting open closing", 0},
			{"backoff", policy.Close(codes.TooManyRequests, "rate_limited").WithAfter(time.Second), 2, 0, "waiting connecting open closing", time.Second},
			{"reconnect", policy.Close(codes.ServiceUnavailable, "restart").WithAction(codes.Reconnect).WithAfter(time.Second), 2, 0,
				"waiting connecting open closing", time.Second},
		} {
			t.Run(tc.name, func(t *testing.T) {
				var asked atomic.Int64
				s := newSite(t, b, "", policy.Func(func(*http.Request) policy.Verdict {
					if asked.Add(1) == 1 {
						return tc.verdict
					}
					return policy.Allow()
				}))
				b.start(t, "act", map[string]any{"url": s.url(), "options": map[string]any{"spread": 200}})
				var got struct {
					States           []state
					Refreshed, Opens int
				}
				b.await(t, "done", &got)
				if n := s.attempts.Load(); n != tc.attempts {
					t.Errorf("%d attempts, want %d", n, tc.attempts)
				}
				if got.Refreshed != tc.refreshed {
					t.Errorf("refreshed %d times, want %d", got.Refreshed, tc.refreshed)
				}
				states := got.States
				// A server that does not say so at open shows a refusal as open, then closed.
				if len(states) > 0 && states[0].State == "open" {
					states = states[1:]
				}
				if p := path(states); !strings.HasPrefix(p+" ", tc.path+" ") {
					t.Fatalf("states %q, want %q", p, tc.path)
				}
				first := states[0]
				if first.Slug != tc.verdict.Slug() || first.Action != tc.verdict.Action().String() || first.Code != int(tc.verdict.Code()) {
					t.Errorf("the page was told %+v, want %v", first, tc.verdict)
				}
				if tc.least > 0 {
					if waited := time.Duration(states[1].At-first.At) * time.Millisecond; waited < tc.least-20*time.Millisecond {
						t.Errorf("waited %v, want at least %v", waited, tc.least)
					}
				}
			})
		}
	})
}

// In a worker it is the same, though there is no document.
func TestWorker(t *testing.T) {
	inBrowsers(t, func(t *testing.T, b *browser) {
		var asked atomic.Int64
		s := newSite(t, b, "", policy.Func(func(*http.Request) policy.Verdict {
			if asked.Add(1) == 1 {
				return policy.Close(codes.Unauthorized, "token_expired")
			}
			return policy.Allow()
		}))
		b.start(t, "worker", map[string]any{"scenario": "act", "args": map[string]any{"url": s.url()}})
		var got struct {
			States    []state
			Refreshed int
		}
		b.await(t, "done", &got)
		if p := path(got.States); p != "refreshing connecting open closing" || got.Refreshed != 1 {
			t.Errorf("states %q, refreshed %d times", p, got.Refreshed)
		}
	})
}

// A server that ends in good order, and another that starts where it was.
func TestRestart(t *testing.T) {
	inBrowsers(t, func(t *testing.T, b *browser) {
		s := newSite(t, b, "")
		b.start(t, "stay", map[string]any{"url": s.url(), "opens": 2})
		b.await(t, "open", nil)
		s.shutdown(t)
		again := newSite(t, b, s.addr)
		states := back(t, b)
		wantOutcome(t, states, 4503, "restart", "reconnect")
		if n := again.attempts.Load(); n != 1 {
			t.Errorf("%d attempts at the new server, want 1", n)
		}
	})
}

// Maintenance of some seconds: the page is told, waits as long as it is told, and comes back by itself.
func TestMaintenance(t *testing.T) {
	inBrowsers(t, func(t *testing.T, b *browser) {
		var down middleware.Switch
		s := newSite(t, b, "", middleware.NewMaintenance(&down))
		b.start(t, "stay", map[string]any{"url": s.url(), "opens": 2})
		b.await(t, "open", nil)
		down.Until(time.Now().Add(2 * time.Second))
		down.Drain(s.up, 0)
		down.Until(time.Now().Add(2 * time.Second))
		states := back(t, b)
		wantOutcome(t, states, 4503, "maintenance", "backoff")
		if n := s.attempts.Load(); n > 6 {
			t.Errorf("%d attempts in some seconds", n)
		}
	})
}

// The network is cut without a word, and comes back.
func TestNetworkCut(t *testing.T) {
	inBrowsers(t, func(t *testing.T, b *browser) {
		s := newSite(t, b, "")
		b.start(t, "stay", map[string]any{"url": s.url(), "opens": 2})
		b.await(t, "open", nil)
		s.cut()
		<-time.After(2 * time.Second) // so long it is cut
		newSite(t, b, s.addr)
		states := back(t, b)
		wantOutcome(t, states, 1006, "", "backoff")
		attempts := strings.Count(path(states), "connecting")
		if attempts > 12 {
			t.Errorf("%d attempts while the network was cut for 2 s", attempts)
		}
		t.Logf("%d attempts, open again after %.1f s", attempts, (states[len(states)-1].At-states[0].At)/1000)
	})
}

// A token ends in the middle of a session, twice. With a renewal in place nothing is closed; without, the page is told to refresh and
// does. Either way everything that is said is heard.
func TestTokenEnds(t *testing.T) {
	inBrowsers(t, func(t *testing.T, b *browser) {
		for _, inPlace := range []bool{true, false} {
			name := "refreshed"
			if inPlace {
				name = "renewed in place"
			}
			t.Run(name, func(t *testing.T) {
				users := middleware.MustJWT(middleware.JWTConfig[jwt.RegisteredClaims]{
					Keys: middleware.StaticKey(secret), Methods: []string{"HS256"},
					From: middleware.TokenSources{middleware.Subprotocol("bearer")},
				})
				// Where nothing may be closed, a busy machine gets half a minute more than the page is told.
				slack := time.Duration(0)
				if inPlace {
					slack = 30 * time.Second
				}
				s := tokenSite(t, b, users, slack)
				b.start(t, "renew", map[string]any{
					"url": s.url(), "tokens": "http://" + s.addr + "/token", "replacements": 2, "inPlace": inPlace,
				})
				var got struct {
					States                              []state
					Sent, Heard, Lost, Twice, Refreshed int
				}
				b.await(t, "done", &got)
				if got.Heard != got.Sent || got.Sent == 0 {
					t.Errorf("%d said, %d heard", got.Sent, got.Heard)
				}
				want := int64(1)
				if !inPlace {
					want = 3
					wantOutcome(t, got.States[1:], 4401, "token_expired", "refresh")
				} else if p := path(got.States); p != "open closing" {
					t.Errorf("states %q: the user noticed", p)
				} else if got.Lost+got.Twice > 0 {
					t.Errorf("%d lost, %d said twice", got.Lost, got.Twice)
				}
				for i := 0; inPlace && i < 2; i++ {
					within(t, s.renewed, "was not renewed")
				}
				// On a busy machine a token can end before it was ever sent: then it is replaced without a connection.
				if n := s.attempts.Load(); n > want || n < min(want, 2) {
					t.Errorf("%d connections for three tokens, want %d", n, want)
				}
			})
		}
	})
}

var secret = []byte("a secret of at least thirty-two bytes, for tests")

// tokenSite gives out tokens that end in some five seconds, or slack later than it says, and takes new
// ones over the connection.
func tokenSite(t *testing.T, b *browser, users *middleware.JWT[jwt.RegisteredClaims], slack time.Duration) *site {
	s := &site{up: &upgrade.Upgrader{Subprotocols: []string{"chat.v1", "bearer"}, LingerTimeout: patience}, renewed: make(chan struct{}, 100)}
	ws := middleware.For(s.up)
	r := chi.NewRouter()
	r.Get("/token", func(w http.ResponseWriter, r *http.Request) {
		end := time.Now().Add(6 * time.Second).Truncate(time.Second)
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.RegisteredClaims{Subject: "ada", ExpiresAt: jwt.NewNumericDate(end.Add(slack))}).SignedString(secret)
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("Access-Control-Allow-Origin", b.origin)
		_ = json.NewEncoder(w).Encode(map[string]any{"token": token, "expires": end.UnixMilli()})
	})
	r.With(s.counting, ws.Origin(b.origin), ws.Use(users)).Handle("/ws", s.up.Handler(func(*http.Request) (upgrade.Session, error) {
		return func(ctx context.Context, c *upgrade.Conn) error {
			for {
				typ, message, err := c.Read(ctx, nil)
				if err != nil {
					return err
				}
				if token, ok := strings.CutPrefix(string(message), "token "); ok {
					if _, err := users.Renew(ctx, c, token); err != nil {
						return err
					}
					s.renewed <- struct{}{}
				} else if err := c.Write(ctx, typ, message); err != nil {
					return err
				}
			}
		}, nil
	}))
	s.serve(t, "", r)
	return s
}

// All are told to come back in the same moment. With the defaults that is within 3 s: no second holds more than twice its share.
func TestCrowd(t *testing.T) {
	inBrowsers(t, func(t *testing.T, b *browser) {
		const many, seconds = 100, 3
		s := newSite(t, b, "")
		b.start(t, "crowd", map[string]any{"url": s.url(), "many": many})
		b.await(t, "open", nil)
		upgradetest.Eventually(t, "the server has them all", func() bool { return s.up.Stats().Live == many }) // a page may know it earlier
		if n := s.up.EndAll(policy.Close(codes.ServiceUnavailable, "restart").WithAction(codes.Reconnect), 0); n != many {
			t.Errorf("%d connections, want %d", n, many)
		}
		var got struct{ Attempts, Back []float64 }
		b.await(t, "done", &got)
		if len(got.Back) != many {
			t.Fatalf("%d came back, want %d", len(got.Back), many)
		}
		for second, n := range perSecond(got.Attempts) {
			if n > 2*many/seconds {
				t.Errorf("%d of %d came back in second %d", n, many, second)
			}
		}
		t.Logf("attempts by second: %v, open by second: %v", perSecond(got.Attempts), perSecond(got.Back))
	})
}

func perSecond(ms []float64) map[int]int {
	n := map[int]int{}
	for _, at := range ms {
		n[int(at/1000)]++
	}
	return n
}

// A server refuses for what is a minute, with all times a fiftieth. Simulated 100,000 times there were 7 attempts in the median, and
// 14 at most.
func TestRefusedForAMinute(t *testing.T) {
	inBrowsers(t, func(t *testing.T, b *browser) {
		for name, verdict := range map[string]policy.Verdict{
			"closed":   policy.Close(codes.ServiceUnavailable, "maintenance"),
			"rejected": policy.Reject(codes.ServiceUnavailable, "maintenance"),
		} {
			t.Run(name, func(t *testing.T) {
				s := newSite(t, b, "", policy.Func(func(*http.Request) policy.Verdict { return verdict }))
				b.start(t, "knock", map[string]any{"url": s.url(), "lasts": 1200, "options": map[string]any{"backoff": 20, "cap": 1200, "stable": 200}})
				var got struct{ Attempts int }
				b.await(t, "done", &got)
				if n := int(s.attempts.Load()); n < 1 || n > 16 || got.Attempts > 16 {
					t.Errorf("%d attempts came, the page made %d; want a few", n, got.Attempts)
				}
				t.Logf("%d attempts", got.Attempts)
			})
		}
	})
}

// A server that answers HTTP alone: no script can see why. The page asks, after three attempts.
func TestOnlyHTTPErrors(t *testing.T) {
	inBrowsers(t, func(t *testing.T, b *browser) {
		s := &site{up: &upgrade.Upgrader{}}
		ws := middleware.For(s.up)
		r := chi.NewRouter()
		r.With(s.counting).Get("/ws", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusForbidden) })
		r.With(allowing(b.origin), ws.Origin(b.origin), ws.Use(policy.Func(func(r *http.Request) policy.Verdict {
			return policy.Reject(codes.Forbidden, "network_blocked")
		}))).Get("/ws/why", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
		s.serve(t, "", r)
		b.start(t, "why", map[string]any{"url": s.url(), "asks": "http://" + s.addr + "/ws/why", "options": map[string]any{"backoff": 20}})
		var got struct{ States []state }
		b.await(t, "done", &got)
		last := got.States[len(got.States)-1]
		if last.Code != 4403 || last.Slug != "network_blocked" || last.Action != "stop" || last.Refused == nil || !*last.Refused {
			t.Errorf("the page was told %+v", last)
		}
		if n := s.attempts.Load(); n != 3 {
			t.Errorf("%d attempts, want 3", n)
		}
	})
}

// allowing is CORS with credentials, as a page of another origin needs it.
func allowing(origin string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Access-Control-Allow-Origin", origin)
			w.Header().Set("Access-Control-Allow-Credentials", "true")
			next.ServeHTTP(w, r)
		})
	}
}

// Several tabs are told to refresh in the same moment: one does, and the others take what it got. They come back one after the other,
// and the one that somebody looks at does not stand in line.
func TestFamily(t *testing.T) {
	inBrowsers(t, func(t *testing.T, b *browser) {
		var wrong string
		for range 3 { // a browser that stands still between a tab's turn and its attempt makes it late, and the next one early
			if wrong = family(t, b); wrong == "" {
				return
			}
			t.Log(wrong)
		}
		t.Error(wrong)
	})
}

// family returns what was wrong with the times at which the tabs of a family came back.
func family(t *testing.T, b *browser) (wrong string) {
	t.Helper()
	const many, gap = 6, 100
	s := newSite(t, b, "")
	b.start(t, "family", map[string]any{"url": s.url(), "many": many})
	b.await(t, "open", nil)
	s.up.EndAll(policy.Close(codes.Unauthorized, "token_expired"), 0)
	type tab struct {
		Refreshed int
		Token     string
		Visible   bool
		At        float64 // when it made its second attempt, in milliseconds
	}
	var got struct{ Refreshes []tab }
	b.await(t, "done", &got)
	slices.SortFunc(got.Refreshes, func(a, b tab) int { return cmp.Compare(a.At, b.At) })
	last := 0.0
	for i, tab := range got.Refreshes {
		if tab.Visible && i > 2 {
			wrong = fmt.Sprintf("the tab that somebody looks at is number %d", i+1)
		}
		if !tab.Visible && tab.At < last+gap-5 { // clocks of browsers are coarse
			wrong = fmt.Sprintf("a tab came %.0f ms after another, want at least %d", tab.At-last, gap)
		}
		if !tab.Visible {
			last = tab.At
		}
	}
	total := 0
	for _, tab := range got.Refreshes {
		total += tab.Refreshed
		if tab.Token != "new" {
			t.Errorf("a tab came back with token %q", tab.Token)
		}
	}
	if total != 1 || len(got.Refreshes) != many {
		t.Errorf("%d tabs refreshed %d times, want %d and 1", len(got.Refreshes), total, many)
	}
	return wrong
}

// back returns what the page of "stay" went through, once it is open again.
func back(t *testing.T, b *browser) []state {
	t.Helper()
	var got struct{ States []state }
	b.await(t, "done", &got)
	states := got.States
	for len(states) > 0 && states[0].State != "waiting" && states[0].State != "refreshing" {
		states = states[1:]
	}
	for i, s := range states {
		if s.State == "open" {
			return states[:i+1]
		}
	}
	t.Fatalf("states %q: it did not come back", path(got.States))
	return nil
}

// wantOutcome looks at the first thing that the page was told.
func wantOutcome(t *testing.T, states []state, code int, slug, action string) {
	t.Helper()
	if s := states[0]; s.Code != code || s.Slug != slug || s.Action != action {
		t.Errorf("the page was told %+v, want %d %s %s", s, code, slug, action)
	}
}
