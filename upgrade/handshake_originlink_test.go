package upgrade_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

const good = "https://app.example.org"

// only lets one foreign Origin pass.
func only(origin string) upgrade.OriginCheck {
	return upgrade.OriginCheck{Match: func(o upgrade.Origin) bool {
		want, err := upgrade.ParseOrigin(origin)
		return err == nil && o == want
	}}
}

func TestOriginLink(t *testing.T) {
	up := &upgrade.Upgrader{}
	open := &upgrade.Upgrader{InsecureAnyOrigin: true}
	named := &upgrade.Upgrader{Hosts: []string{"app.example.com"}}
	require := only(good)
	require.RequireOrigin = true
	mixed := only(good)
	mixed.SameOrigin = true
	everything := upgrade.OriginCheck{Match: func(upgrade.Origin) bool { return true }}
	for _, tc := range []struct {
		name   string
		up     *upgrade.Upgrader
		check  upgrade.OriginCheck
		origin string
		pass   bool
	}{
		{"listed", up, only(good), good, true},
		{"listed, spelt otherwise", up, only(good), "HTTPS://App.Example.ORG.:443", true},
		{"not listed", up, only(good), "https://evil.example", false},
		{"a list is the whole list", up, only(good), "http://example.com", false},
		{"listed and same", up, only("http://example.com"), "http://example.com", true},
		{"own origin beside the list", up, mixed, "http://example.com", true},
		{"the list beside the own origin", up, mixed, good, true},
		{"neither", up, mixed, "https://evil.example", false},
		{"own origin alone", up, upgrade.OriginCheck{SameOrigin: true}, "http://example.com", true},
		{"own origin by another name", named, upgrade.OriginCheck{SameOrigin: true}, "http://example.com", false},
		{"listed, by another name", named, only("http://example.com"), "http://example.com", true},
		{"no browser", up, only(good), "", true},
		{"no browser, refused", up, require, "", false},
		{"a browser, required", up, require, good, true},
		{"null", up, everything, "null", false},
		{"null, allowed", up, upgrade.OriginCheck{InsecureNull: true}, "null", true},
		{"null, the only one allowed", up, upgrade.OriginCheck{InsecureNull: true}, good, false},
		{"null in capitals", up, upgrade.OriginCheck{InsecureNull: true}, "NULL", false},
		{"malformed", up, everything, good + "/", false},
		{"empty", up, everything, " ", false},
		{"enforced where any Origin may connect", open, only(good), "https://evil.example", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			origin := "Origin: " + tc.origin
			if tc.origin == "" {
				origin = "-Origin"
			}
			link, deny := tc.up.Origin(tc.check), tc.up.Use(always(expired))
			end := tc.up.Handler(run(idle))
			for _, chain := range []struct {
				name string
				h    http.Handler
				want int
			}{
				{"endpoint", link(end), 101},
				{"through a stranger", wrap(end, link, foreign), 101},
				{"link", wrap(forbidden(t), link, deny), 101},
				{"link behind a stranger", wrap(forbidden(t), link, foreign, deny), 101},
				{"link and a stranger", wrap(end, foreign, link, tc.up.Use(always(policy.Allow())), foreign), 101},
			} {
				if !tc.pass {
					chain.want = 403
				}
				_, res := handshake(t, newServer(t, chain.h), origin)
				if res.StatusCode != chain.want {
					t.Errorf("%s: got %s, want %d", chain.name, res.Status, chain.want)
				}
				if chain.want == 403 && problemOf(t, res).Slug != "origin_not_allowed" {
					t.Errorf("%s: not refused by the Origin check", chain.name)
				}
			}
		})
	}
}

// A page's POST carries an Origin as well.
func TestOriginLinkOnOrdinaryRoute(t *testing.T) {
	up := &upgrade.Upgrader{}
	addr := newServer(t, up.Origin(only(good))(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) })))
	for origin, want := range map[string]int{"Origin: " + good: 204, "-Origin": 204, "Origin: https://evil.example": 403} {
		_, res := handshake(t, addr, "POST / HTTP/1.1", "-Upgrade", "-Connection", "+Content-Length: 0", origin)
		if res.StatusCode != want {
			t.Errorf("%s: got %s, want %d", origin, res.Status, want)
		}
	}
}

// What was vetted is a value, not a request.
func TestOriginRewrittenAfterVetting(t *testing.T) {
	up := &upgrade.Upgrader{}
	const evil = "https://evil.example"
	set := func(values ...string) func(*http.Request) {
		return func(r *http.Request) { r.Header["Origin"] = values }
	}
	for _, tc := range []struct {
		name     string
		rewrite  func(*http.Request)
		upgraded bool
	}{
		{"untouched", func(*http.Request) {}, true},
		{"replaced", set(evil), false},
		{"null", set("null"), false},
		{"spelt otherwise", set(strings.ToUpper(good)), false},
		{"a second line", set(good, evil), false},
		{"the same line twice", set(good, good), false},
		{"emptied", set(""), false},
		{"own origin", set("http://example.com"), true}, // which the default vouches for
	} {
		stranger := func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { tc.rewrite(r); next.ServeHTTP(w, r) })
		}
		neighbour := up.Use(policy.Func(func(r *http.Request) policy.Verdict { tc.rewrite(r); return policy.Allow() }))
		link, deny := up.Origin(only(good)), up.Use(always(expired))
		for kind, rewrite := range map[string]func(http.Handler) http.Handler{"stranger": stranger, "neighbour": neighbour} {
			admitted, denied := 403, 401
			if tc.upgraded {
				admitted, denied = 101, 101
			}
			_, res := handshake(t, newServer(t, wrap(up.Handler(run(idle)), link, rewrite)), "Origin: "+good)
			if res.StatusCode != admitted {
				t.Errorf("%s by a %s, admitted: got %s, want %d", tc.name, kind, res.Status, admitted)
			}
			_, res = handshake(t, newServer(t, wrap(forbidden(t), link, rewrite, deny)), "Origin: "+good)
			if res.StatusCode != denied {
				t.Errorf("%s by a %s, denied: got %s, want %d", tc.name, kind, res.Status, denied)
			}
		}
	}
}

func TestOnlyTheOwnOriginLinkVouches(t *testing.T) {
	a, b := &upgrade.Upgrader{}, &upgrade.Upgrader{}
	allow := func(up *upgrade.Upgrader) func(http.Handler) http.Handler { return up.Use(always(policy.Allow())) }
	for _, tc := range []struct {
		name  string
		chain http.Handler
		want  int
	}{
		{"other's", a.Origin(only(good))(b.Handler(run(idle))), 403},
		{"other's, through a stranger", wrap(b.Handler(run(idle)), a.Origin(only(good)), foreign), 403},
		{"other's, before a denial", wrap(forbidden(t), a.Origin(only(good)), b.Use(always(expired))), 401},
		{"own, through the other's link", wrap(a.Handler(run(idle)), a.Origin(only(good)), allow(b)), 101},
		{"own outside, other's inside", wrap(a.Handler(run(idle)), a.Origin(only(good)), foreign, b.Origin(only(good)), foreign), 101},
		{"other's outside, own inside", wrap(a.Handler(run(idle)), b.Origin(only(good)), foreign, a.Origin(only(good)), foreign), 101},
		{"other's outside, own link and endpoint", wrap(a.Handler(run(idle)), b.Origin(only(good)), allow(a), foreign), 403},
		{"shadow vouches for nothing", wrap(a.Handler(run(idle)), a.Shadow(always(policy.Allow()))), 403},
	} {
		_, res := handshake(t, newServer(t, tc.chain), "Origin: "+good)
		if res.StatusCode != tc.want {
			t.Errorf("%s: got %s, want %d", tc.name, res.Status, tc.want)
		}
	}
}

func TestOriginIsMountedFirst(t *testing.T) {
	a, b := &upgrade.Upgrader{}, &upgrade.Upgrader{}
	origin := a.Origin(only(good))
	for name, outer := range map[string]func(http.Handler) http.Handler{
		"link": a.Use(always(policy.Allow())), "other's link": b.Use(always(policy.Allow())),
		"shadow": a.Shadow(always(policy.Allow())), "Origin": a.Origin(only(good)), "other's Origin": b.Origin(only(good)),
	} {
		text := panicOf(t, func() { outer(origin(forbidden(t))) })
		if !strings.Contains(text, "mount Origin first") {
			t.Errorf("behind %s: the panic does not give the order: %s", name, text)
		}
	}
	text := panicOf(t, func() { a.Origin(upgrade.OriginCheck{RequireOrigin: true}) })
	if !strings.Contains(text, "no origin could pass") {
		t.Errorf("got panic %s", text)
	}
}

// A type that embeds what the Upgrader returned, and judges more strictly, is asked.
func TestEmbeddingIsNotBypassed(t *testing.T) {
	up := &upgrade.Upgrader{}
	for name, inner := range map[string]http.Handler{
		"endpoint": up.Handler(run(idle)),
		"link":     up.Use(always(policy.Allow()))(up.Handler(run(idle))),
	} {
		for _, chain := range []http.Handler{
			up.Origin(only(good))(strict{inner}), up.Use(always(policy.Allow()))(&strict{inner}),
		} {
			_, res := handshake(t, newServer(t, chain), "Origin: "+good)
			if res.StatusCode != 418 {
				t.Errorf("%s: got %s", name, res.Status)
			}
		}
	}
}

type strict struct{ http.Handler }

func (strict) ServeHTTP(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(418) }

// What panics is no pass and no soft denial, whatever it panics with.
func TestOriginMatchPanics(t *testing.T) {
	t.Setenv("GODEBUG", "panicnil=1")
	for _, value := range []any{"match", nil} {
		events := newRecorder()
		up := &upgrade.Upgrader{Observer: events}
		check := upgrade.OriginCheck{Match: func(upgrade.Origin) bool { panic(value) }}
		_, res := handshake(t, newServer(t, up.Origin(check)(forbidden(t))))
		wantStatus(t, res, 500)
		e := events.Next(t)
		if p, ok := e.Verdict.Cause().(*upgrade.PanicError); !ok || p.Value != value || !e.Verdict.Hidden() || e.Why != upgrade.WhyHidden {
			t.Errorf("panic(%v): got %+v", value, e)
		}
	}
}

// An endpoint's function and a policy that panic with nil under GODEBUG=panicnil=1 let nobody in,
// and say so.
func TestPanicNilIsADenial(t *testing.T) {
	t.Setenv("GODEBUG", "panicnil=1")
	quiet(t)
	for name, chain := range map[string]func(up *upgrade.Upgrader) http.Handler{
		"policy": func(up *upgrade.Upgrader) http.Handler {
			return up.Use(policy.Func(func(*http.Request) policy.Verdict { panic(nil) }))(forbidden(t))
		},
		"endpoint": func(up *upgrade.Upgrader) http.Handler {
			return up.Handler(func(*http.Request) (upgrade.Session, error) { panic(nil) })
		},
	} {
		events := newRecorder()
		up := &upgrade.Upgrader{Observer: events}
		c, res := handshake(t, newServer(t, chain(up)))
		wantStatus(t, res, 101)
		c.wantClose(4500, "internal_error;do=backoff")
		e := events.Next(t)
		if _, ok := e.Verdict.Cause().(*upgrade.PanicError); !ok || e.Verdict.Slug() != "internal_error" || e.Kind != upgrade.Settled {
			t.Errorf("%s: got %+v", name, e)
		}
	}
}

func TestOriginDenialsSayWhy(t *testing.T) {
	events := newRecorder()
	up := &upgrade.Upgrader{Observer: events}
	check := only(good)
	check.RequireOrigin = true
	addr := newServer(t, up.Origin(check)(forbidden(t)))
	var causes []string
	for _, change := range []string{"Origin: https://evil.example", "-Origin", "+Origin: https://b", "Origin: null"} {
		_, res := handshake(t, addr, change)
		wantStatus(t, res, 403)
		e := events.Next(t)
		if e.Policy != "origin" || e.Outcome != upgrade.Answered || e.Why != upgrade.WhyOrigin || e.Status != 403 {
			t.Errorf("%s: got %+v", change, e)
		}
		causes = append(causes, e.Verdict.Cause().Error())
	}
	slices.Sort(causes)
	if len(slices.Compact(causes)) != 4 {
		t.Errorf("causes cannot be told apart: %q", causes)
	}
}

// An Origin link's pass travels also where the Origin was the server's own: Host may be rewritten behind it.
func TestOwnOriginPassesThoughHostIsRewritten(t *testing.T) {
	up := &upgrade.Upgrader{}
	rewrite := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.Host = "10.0.0.7:8080"
			next.ServeHTTP(w, r)
		})
	}
	for name, check := range map[string]upgrade.OriginCheck{
		"same-origin": {SameOrigin: true},
		"listed":      {Match: func(o upgrade.Origin) bool { return o.Host == "app.example.com" }},
		"both":        {SameOrigin: true, Match: func(o upgrade.Origin) bool { return o.Host == "app.example.com" }},
	} {
		h := up.Origin(check)(rewrite(up.Use(always(policy.Allow()))(up.Handler(run(idle)))))
		c, res := handshake(t, newServer(t, h), "Host: app.example.com", "Origin: https://app.example.com")
		if res.StatusCode != 101 {
			t.Errorf("%s: %s", name, res.Status)
			continue
		}
		c.wantClose(1000, "")
		c.bye()
	}
}
