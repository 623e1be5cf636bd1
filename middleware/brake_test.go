package middleware_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/middleware"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
	"github.com/wsverdict/wsverdict/upgrade/upgradetest"
)

func newBrake(t testing.TB, cfg middleware.BrakeConfig) *middleware.Brake {
	t.Helper()
	b, err := middleware.NewBrake(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// handshakeBy is a handshake of a user.
func handshakeBy(t testing.TB, user string) *http.Request {
	t.Helper()
	return newRequest(t, "Upgrade", "websocket", "User", user)
}

// settled is the event of a handshake that was denied, or admitted.
func settled(r *http.Request, v policy.Verdict) upgrade.Event {
	e := upgrade.Event{Kind: upgrade.Settled, Request: r, Policy: "jwt", Verdict: v, Outcome: upgrade.Closed}
	if v.Allowed() {
		e.Outcome = upgrade.Admitted
	}
	return e
}

// Each step is an arrival some time after the last, what the brake says, and what the policies behind it say if it lets pass.
func TestBrake(t *testing.T) {
	const (
		passes  = ""
		hidden  = "hidden "
		slow    = "slow_down;do=backoff;after="
		longest = hidden + slow + "60"
	)
	denied, later := policy.Close(codes.Unauthorized, "no"), policy.Close(codes.TooManyRequests, "no").WithAfter(30*time.Second)
	type step struct {
		wait time.Duration
		want string
		then policy.Verdict
	}
	repeat := func(n int, s step) (all []step) {
		for range n {
			all = append(all, s)
		}
		return all
	}
	join := func(parts ...[]step) (all []step) {
		for _, p := range parts {
			all = append(all, p...)
		}
		return all
	}
	patient := join(repeat(1, step{0, passes, denied}), repeat(3, step{time.Second, passes, denied})) // Patience is 3
	warned := join(patient, []step{{time.Second, slow + "4", denied}, {time.Second, slow + "8", denied}})
	for name, steps := range map[string][]step{
		"who listens is never held back":   repeat(50, step{30 * time.Second, passes, later}),
		"who is admitted neither":          repeat(50, step{0, passes, policy.Allow()}),
		"after a denial without a time":    repeat(50, step{2 * time.Second, passes, denied}),
		"growing waits, then a status":     join(warned, []step{{time.Second, longest, denied}, {20 * time.Second, hidden + slow + "40", denied}}),
		"a block ends, however one knocks": join(warned, []step{{time.Second, longest, denied}}, repeat(59, step{time.Second, "any", denied}), []step{{time.Second, passes, denied}}),
		"a longer wait is not shortened":   join(repeat(1, step{0, passes, later}), repeat(3, step{time.Second, passes, later}), []step{{0, slow + "30", later}}),
		"a wait that is kept halves":       join(warned, []step{{8 * time.Second, passes, denied}, {time.Second, passes, denied}, {time.Second, slow + "4", denied}}),
		"an admission clears":              join(patient, []step{{2 * time.Second, passes, policy.Allow()}}, patient),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBrake(t, middleware.BrakeConfig{Key: byUser, Patience: 3, Warnings: 2})
				r := handshakeBy(t, "alice")
				for i, s := range steps {
					time.Sleep(s.wait)
					v := b.Judge(r)
					got := v.Reason().String()
					if !v.Allowed() && v.Hidden() {
						got = hidden + got
					}
					if got != s.want && s.want != "any" {
						t.Fatalf("arrival %d: %q, want %q", i+1, got, s.want)
					}
					if v.Allowed() {
						v = s.then
					}
					b.Observe(settled(r, v))
				}
				checkVerdict(t, b.Judge(handshakeBy(t, "bob")), 0, "")
			})
		})
	}
}

// What does not count: other requests of a page, what other sites cause, events that are no settlement, and who cannot be told.
func TestBrakeCountsHandshakesAlone(t *testing.T) {
	denied := policy.Close(codes.Unauthorized, "no")
	for name, edit := range map[string]func(*upgrade.Event){
		"no handshake":  func(e *upgrade.Event) { e.Request.Header.Del("Upgrade") },
		"origin":        func(e *upgrade.Event) { e.Policy = "origin" },
		"shadowed":      func(e *upgrade.Event) { e.Kind = upgrade.Shadowed },
		"no request":    func(e *upgrade.Event) { e.Request = nil },
		"no key":        func(e *upgrade.Event) { e.Request.Header.Del("User") },
		"never arrived": func(e *upgrade.Event) { e.Verdict, e.Outcome = policy.Allow(), upgrade.Lost },
	} {
		b := newBrake(t, middleware.BrakeConfig{Key: byUser, Patience: 1})
		for range 5 {
			e := settled(handshakeBy(t, "alice"), denied)
			edit(&e)
			b.Observe(e)
			if v := b.Judge(handshakeBy(t, "alice")); !v.Allowed() {
				t.Errorf("%s: %v", name, v)
			}
		}
	}
	b := newBrake(t, middleware.BrakeConfig{Key: byUser, Patience: 1})
	checkVerdict(t, b.Judge(newRequest(t, "Upgrade", "websocket")), 500, "brake_key_missing;do=backoff")
	for range 5 {
		b.Observe(settled(handshakeBy(t, "alice"), denied))
		b.Judge(handshakeBy(t, "alice"))
	}
	checkVerdict(t, b.Judge(newRequest(t, "User", "alice")), 0, "") // a fetch of the same page
	if v := b.Judge(handshakeBy(t, "alice")); v.Allowed() {
		t.Error("the handshake was let pass")
	}
}

// Memory is bounded, and nothing is allocated: for who passes, who is warned and who is held back.
func TestBrakeAllocatesNothing(t *testing.T) {
	denied := policy.Close(codes.Unauthorized, "no")
	b := newBrake(t, middleware.BrakeConfig{MaxKeys: 100, Patience: 1})
	flood := handshakeBy(t, "")
	addr := netip.MustParseAddr("192.0.2.1")
	for range 10_000 {
		addr = addr.Next()
		flood.RemoteAddr = netip.AddrPortFrom(addr, 1).String()
		b.Observe(settled(flood, denied))
	}
	stranger, known := handshakeBy(t, ""), handshakeBy(t, "")
	stranger.RemoteAddr, known.RemoteAddr = "198.51.100.1:1", "198.51.100.2:1"
	for name, r := range map[string]*http.Request{"a stranger": stranger, "one who was denied": known} {
		if n := testing.AllocsPerRun(100, func() { b.Judge(r) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
		e := settled(r, denied)
		if n := testing.AllocsPerRun(100, func() { b.Observe(e) }); n != 0 {
			t.Errorf("%s, observed: %v allocations", name, n)
		}
	}
	b.Judge(known)
	if v := b.Judge(known); v.Allowed() {
		t.Error("who was denied is not held back: its record was lost to a flood that came before")
	}
}

// As it is mounted: a client that comes back at once, whatever it is told, first reads codes, then statuses.
func TestBrakeOnLiveConnections(t *testing.T) { synctest.Test(t, testBrakeOnLiveConnections) }

func testBrakeOnLiveConnections(t *testing.T) {
	b := newBrake(t, middleware.BrakeConfig{Patience: 2, Warnings: 1})
	told := make(chan struct{}, 100)
	up := &upgrade.Upgrader{Observer: upgrade.Observers{b, upgrade.ObserverFunc(func(upgrade.Event) { told <- struct{}{} })}}
	ws := middleware.For(up)
	judged := make(chan struct{}, 100)
	denies := policy.Func(func(*http.Request) policy.Verdict {
		judged <- struct{}{}
		return policy.Close(codes.Unauthorized, "token_expired")
	})
	h := ws.Origin(middleware.SameOrigin)(ws.Use(policy.Named("brake", b))(ws.Use(denies)(up.Handler(run(echo)))))
	for i, want := range []string{"token_expired;do=refresh", "token_expired;do=refresh", "token_expired;do=refresh", "slow_down;do=backoff;after=4"} {
		code := uint16(4401)
		if i == 3 {
			code = 4429
		}
		dialInMemory(t, h).wantClose(code, want)
		<-told // the answer may arrive before
	}
	for range 3 {
		w := httptest.NewRecorder()
		r := newRequest(t)
		maps.Copy(r.Header, upgradetest.Header())
		h.ServeHTTP(w, r)
		if w.Code != 429 || w.Header().Get("Retry-After") != "60" {
			t.Errorf("got %d, Retry-After %q", w.Code, w.Header().Get("Retry-After"))
		}
	}
	if n := len(judged); n != 3 {
		t.Errorf("the policy behind was asked %d times, want 3", n)
	}
}

func TestBrakeMistakes(t *testing.T) {
	_, err := middleware.NewBrake(middleware.BrakeConfig{Pause: -1, Patience: -1, Warnings: 17, FirstWait: -1, Block: 25 * time.Hour, MaxKeys: -1})
	if n := mistakes(t, err); n != 6 {
		t.Errorf("%d mistakes, want 6: %v", n, err)
	}
	if n := mistakes(t, panicError(t, func() { middleware.MustBrake(middleware.BrakeConfig{Warnings: 17}) })); n != 1 {
		t.Errorf("MustBrake: %d mistakes, want 1", n)
	}
	b := newBrake(t, middleware.BrakeConfig{})
	other := newBrake(t, middleware.BrakeConfig{})
	for i, observer := range []upgrade.Observer{nil, other, upgrade.Observers{other, upgrade.Observers{}}} {
		up := &upgrade.Upgrader{Observer: observer}
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%d: mounted, and would never learn of a denial", i)
				}
			}()
			middleware.For(up).Use(policy.Hidden(b))
		}()
	}
	nested := &upgrade.Upgrader{Observer: upgrade.Observers{other, upgrade.Observers{b}}}
	middleware.For(nested).Use(policy.When(func(*http.Request) bool { return true }, b))
}

func BenchmarkBrake(b *testing.B) {
	brake := newBrake(b, middleware.BrakeConfig{})
	for _, name := range []string{"unknown", "blocked"} {
		r := handshakeBy(b, "")
		if name == "blocked" {
			for range 20 {
				brake.Observe(settled(r, policy.Close(codes.Unauthorized, "no")))
				brake.Judge(r)
			}
		}
		b.Run(fmt.Sprint(name), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				brake.Judge(r)
			}
		})
	}
}
