package middleware_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/golang-jwt/jwt/v5"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/middleware"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
	"github.com/wsverdict/wsverdict/upgrade/upgradetest"
)

// cookieClaims are those of a token that a cookie carries: SessionID is that of the browser's sign-in.
type cookieClaims struct {
	SessionID string `json:"sid"`
	jwt.RegisteredClaims
}

// A cookieSite has an endpoint, and renews, behind an Origin link for the page.
type cookieSite struct {
	up    *upgrade.Upgrader
	users *middleware.JWT[cookieClaims]
	h     http.Handler
	addr  string
}

// newCookieSite serves it on a socket.
func newCookieSite(t *testing.T, edit ...func(*middleware.JWTConfig[cookieClaims])) *cookieSite {
	t.Helper()
	s := inMemory(edit...)
	s.addr = live(t, s.h)
	return s
}

func inMemory(edit ...func(*middleware.JWTConfig[cookieClaims])) *cookieSite {
	cfg := middleware.JWTConfig[cookieClaims]{
		Keys: middleware.StaticKey(&testKey.PublicKey), Methods: []string{"ES256"}, Leeway: short,
		From: middleware.TokenSources{middleware.Cookie("session")},
		Tag:  "user",
		Tags: func(c cookieClaims) []policy.Tag {
			return []policy.Tag{{Key: "browser", Value: c.SessionID}, {Key: "token", Value: c.ID}}
		},
	}
	for _, f := range edit {
		f(&cfg)
	}
	s := &cookieSite{up: &upgrade.Upgrader{PingInterval: -1}, users: middleware.MustJWT(cfg)}
	ws, r := middleware.For(s.up), chi.NewRouter()
	key := policy.Func(func(r *http.Request) policy.Verdict {
		if r.Header.Get("X-Api-Key") != "secret" {
			return policy.Close(codes.Unauthorized, "api_key_missing").Missing()
		}
		return policy.Allow().WithTag("browser", "laptop").WithTag("user", "alice")
	})
	r.With(ws.Origin(page), ws.Use(policy.Any(s.users, key))).Handle("/ws", s.up.Handler(run(echo)))
	r.With(ws.Origin(page)).Handle("/renew", s.users.RenewHandler(s.up, "browser"))
	r.With(ws.Origin(page), ws.Use(s.users)).Handle("/behind", s.users.RenewHandler(s.up, "browser"))
	s.h = r
	return s
}

// cookie has a token that is good for an hour; edit changes it.
func (s *cookieSite) cookie(t *testing.T, subject, browser string, edit ...func(*cookieClaims)) string {
	t.Helper()
	c := cookieClaims{browser, jwt.RegisteredClaims{Subject: subject, ExpiresAt: jwt.NewNumericDate(time.Now().Add(time.Hour))}}
	for _, f := range edit {
		f(&c)
	}
	return "session=" + sign(t, testKey, c)
}

// open connects as a browser that has the cookie, and is answered: its session has begun.
func (s *cookieSite) open(t *testing.T, cookie string) *peer {
	t.Helper()
	p := dial(t, s.addr, "Origin", page, "Cookie", cookie)
	p.say("hello", "hello")
	return p
}

// fetch sends a request as a page does, with fields in pairs.
func (s *cookieSite) fetch(t *testing.T, method, path string, fields ...string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.addr+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(fields); i += 2 {
		r.Header.Add(fields[i], fields[i+1])
	}
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	return res
}

// renew posts from the page, and wants so many connections extended.
func (s *cookieSite) renew(t *testing.T, cookie string, want int) (expiresIn *int64) {
	t.Helper()
	res := s.fetch(t, "POST", "/renew", "Origin", page, "Cookie", cookie)
	var answer struct {
		Renewed   *int
		ExpiresIn *int64 `json:"expires_in"`
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil || answer.Renewed == nil || res.StatusCode != 200 {
		t.Fatalf("got %s, %v", res.Status, err)
	}
	if *answer.Renewed != want {
		t.Errorf("%d connections renewed, want %d", *answer.Renewed, want)
	}
	if got := res.Header.Get("Content-Type") + ", " + res.Header.Get("Cache-Control"); got != "application/json, no-store" {
		t.Errorf("header: %s", got)
	}
	return answer.ExpiresIn
}

// wantProblem wants a request refused, and says nothing else about it.
func wantProblem(t *testing.T, res *http.Response, status int, slug string) {
	t.Helper()
	var problem struct{ Slug string }
	json.NewDecoder(res.Body).Decode(&problem)
	if res.StatusCode != status || problem.Slug != slug || res.Header.Get("Content-Type") != "application/problem+json" ||
		res.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("got %s %+v %v, want %d %s", res.Status, problem, res.Header, status, slug)
	}
}

// A user at two browsers: the connections of the one that renews are extended, with its new token's tags. Those
// of the other, of somebody else at the same browser, and of a script with an API key are not.
func TestRenewHandler(t *testing.T) {
	s := newCookieSite(t)
	id := func(id string) func(*cookieClaims) { return func(c *cookieClaims) { c.ID = id } }
	old := s.cookie(t, "alice", "laptop", id("1"))
	tab1, tab2 := s.open(t, old), s.open(t, old)
	others := []*peer{s.open(t, s.cookie(t, "alice", "phone", id("1"))), s.open(t, s.cookie(t, "bob", "laptop", id("1"))),
		dial(t, s.addr, "X-Api-Key", "secret")} // has the tags, but no token to renew
	for _, p := range append(others, tab1, tab2) {
		p.say("hello", "hello")
	}
	wantTokens := func(first, second int) {
		t.Helper()
		for id, want := range map[string]int{"1": first, "2": second} {
			if n := len(slices.Collect(s.up.Connections(policy.Tag{Key: "token", Value: id}))); n != want {
				t.Errorf("%d connections with the tag of token %s, want %d", n, id, want)
			}
		}
	}

	s.renew(t, s.cookie(t, "mallory", "laptop", id("2")), 0)
	s.renew(t, s.cookie(t, "alice", "desktop", id("2")), 0)
	wantTokens(4, 0)
	in := s.renew(t, s.cookie(t, "alice", "laptop", id("2")), 2)
	if hour := int64((time.Hour + short) / time.Second); in == nil || *in > hour || *in < hour-60 {
		t.Errorf("closed in %v, want the token's hour and its leeway", in)
	}
	wantTokens(2, 2)
	tab1.leave()
	eventually(t, "the end of a tab", func() bool { return s.up.Stats().Live == 4 })
	s.renew(t, s.cookie(t, "alice", "laptop", id("2")), 1)
	for _, p := range append(others, tab2) {
		p.say("still here", "still here")
		p.leave()
	}
	wantEmpty(t, s.up)
}

// What was extended lives as long as the new token, all else as long as its own.
func TestRenewHandlerExtends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := inMemory()
		open := func(subject, browser string) *upgradetest.Client {
			return upgradetest.Open(t, s.h, "/ws", "Origin", page, "Cookie", s.cookie(t, subject, browser))
		}
		begin := time.Now()
		ends := func(c *upgradetest.Client, after time.Duration) {
			t.Helper()
			c.WantClose(4401, "token_expired;do=refresh")
			if age := time.Since(begin); age < after || age > after+short+time.Second {
				t.Errorf("closed after %v, want %v", age, after)
			}
			c.Bye()
		}
		tab, phone, bob := open("alice", "laptop"), open("alice", "phone"), open("bob", "laptop")
		time.Sleep(10 * time.Second)
		r := httptest.NewRequest("POST", "/renew", nil)
		r.Header.Set("Origin", page)
		r.Header.Set("Cookie", s.cookie(t, "alice", "laptop", func(c *cookieClaims) { c.ExpiresAt.Time = begin.Add(2 * time.Hour) }))
		w := httptest.NewRecorder()
		s.h.ServeHTTP(w, r)
		if got := strings.TrimSpace(w.Body.String()); got != `{"renewed":1,"expires_in":7193}` {
			t.Fatalf("got %d %s", w.Code, got)
		}
		ends(phone, time.Hour)
		ends(bob, time.Hour)
		ends(tab, 2*time.Hour)
		wantEmpty(t, s.up)
	})
}

// Behind the policy's own link the token is not asked about once more than in front of it, and a token that
// never ends says nothing of an end.
func TestRenewHandlerBehindItsPolicy(t *testing.T) {
	var asked atomic.Int32
	s := newCookieSite(t, func(cfg *middleware.JWTConfig[cookieClaims]) {
		cfg.AllowNoExpiry = true
		cfg.Revoked = func(context.Context, cookieClaims) (bool, error) { asked.Add(1); return false, nil }
	})
	cookie := s.cookie(t, "alice", "laptop", func(c *cookieClaims) { c.ExpiresAt = nil })
	for _, path := range []string{"/renew", "/behind"} {
		asked.Store(0)
		res := s.fetch(t, "POST", path, "Origin", page, "Cookie", cookie)
		answer := map[string]any{}
		if err := json.NewDecoder(res.Body).Decode(&answer); err != nil || len(answer) != 1 || answer["renewed"] != 0.0 {
			t.Errorf("%s: got %v, %v", path, answer, err)
		}
		if n := asked.Load(); n != 2 { // before and after
			t.Errorf("%s: asked %d times about the token", path, n)
		}
	}
	wantProblem(t, s.fetch(t, "POST", "/behind", "Origin", page), 401, "token_missing")
}

// What does not renew: nothing is extended, and the answer is a problem document with a status.
func TestRenewHandlerRefuses(t *testing.T) {
	s := newCookieSite(t)
	tab := s.open(t, s.cookie(t, "alice", "laptop", func(c *cookieClaims) { c.ID = "1" }))
	tab.say("hello", "hello") // its session has begun
	good := s.cookie(t, "alice", "laptop")
	for _, tc := range []struct {
		name, method string
		fields       []string
		status       int
		slug         string
	}{
		// The page of another site, with the user's cookie: cross-site request forgery.
		{name: "foreign origin", fields: []string{"Origin", "https://evil.example", "Cookie", good}, status: 403, slug: "origin_not_allowed"},
		{name: "sandboxed frame", fields: []string{"Origin", "null", "Cookie", good}, status: 403, slug: "origin_not_allowed"},
		{name: "subdomain", fields: []string{"Origin", "https://evil.app.example.com", "Cookie", good}, status: 403, slug: "origin_not_allowed"},
		{name: "two origins", fields: []string{"Origin", page, "Origin", "https://evil.example", "Cookie", good}, status: 403, slug: "origin_not_allowed"},

		{name: "get", method: "GET", fields: []string{"Cookie", good}, status: 405, slug: "method_not_allowed"},
		{name: "get of a foreign page", method: "GET", fields: []string{"Origin", "https://evil.example", "Cookie", good}, status: 403, slug: "origin_not_allowed"},
		{name: "no cookie", status: 401, slug: "token_missing"},
		{name: "planted cookie", fields: []string{"Cookie", good + "; " + good}, status: 401, slug: "token_malformed"},
		{name: "token elsewhere", fields: []string{"Authorization", "Bearer " + strings.TrimPrefix(good, "session=")}, status: 401, slug: "token_missing"},
		{name: "expired", fields: []string{"Cookie", s.cookie(t, "alice", "laptop", func(c *cookieClaims) {
			c.ExpiresAt = jwt.NewNumericDate(time.Now().Add(-time.Hour))
		})}, status: 401, slug: "token_expired"},
		{name: "forged", fields: []string{"Cookie", "session=" + sign(t, newKey(), cookieClaims{"laptop", jwt.RegisteredClaims{Subject: "alice"}})},
			status: 401, slug: "token_signature_invalid"},
		{name: "no browser", fields: []string{"Cookie", s.cookie(t, "alice", "")}, status: 409, slug: "token_not_renewable"},
		{name: "no subject", fields: []string{"Cookie", s.cookie(t, "", "laptop")}, status: 409, slug: "token_not_renewable"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			method := tc.method
			if method == "" {
				method = "POST"
			}
			res := s.fetch(t, method, "/renew", tc.fields...)
			wantProblem(t, res, tc.status, tc.slug)
			if allow := res.Header.Get("Allow"); (tc.status == 405) != (allow == "POST") {
				t.Errorf("Allow: %q", allow)
			}
		})
	}
	if n := len(slices.Collect(s.up.Connections(policy.Tag{Key: "token", Value: "1"}))); n != 1 {
		t.Error("a refused request took the old token's tags off")
	}
	tab.leave()
	wantEmpty(t, s.up)
}

// A token that is revoked while it renews closes what it renewed, and nothing else.
func TestBanDuringRenewalByRequest(t *testing.T) {
	revoked := policy.Close(codes.Unauthorized, "token_revoked").WithAction(codes.Stop)
	var s *cookieSite
	var asked atomic.Int32
	s = newCookieSite(t, func(cfg *middleware.JWTConfig[cookieClaims]) {
		cfg.Revoked = func(_ context.Context, c cookieClaims) (bool, error) {
			if c.ID != "new" {
				return false, nil
			}
			switch asked.Add(1) {
			case 1, 3: // the ban comes right behind this answer, and finds no connection
				s.up.End(revoked, 0, policy.Tag{Key: "token", Value: "new"})
				return false, nil
			case 2:
				return true, nil
			}
			return false, errors.New("down")
		}
	})
	cookie := s.cookie(t, "alice", "laptop", func(c *cookieClaims) { c.ID = "new" })
	phone := s.open(t, s.cookie(t, "alice", "phone"))
	for _, want := range []struct {
		status int
		slug   string
		code   uint16
		reason string
	}{
		{401, "token_revoked", 4401, "token_revoked;do=stop"},
		{503, "revocation_unavailable", 4503, "revocation_unavailable;do=backoff"},
	} {
		tab := s.open(t, s.cookie(t, "alice", "laptop"))
		wantProblem(t, s.fetch(t, "POST", "/renew", "Origin", page, "Cookie", cookie), want.status, want.slug)
		tab.wantClose(want.code, want.reason)
	}
	phone.say("still here", "still here")
	phone.leave()
	wantEmpty(t, s.up)
}

// Connections that come and go meanwhile, and end while they are extended, are no error.
func TestRenewHandlerWhileConnectionsEnd(t *testing.T) {
	s := newCookieSite(t)
	const n = 8
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range n {
			s.up.End(policy.Close(codes.Forbidden, "banned"), 0, policy.Tag{Key: "user", Value: "alice"})
			res, err := http.DefaultTransport.RoundTrip(postOf(t, s, s.cookie(t, "alice", "laptop")))
			if err != nil || res.StatusCode != 200 {
				t.Errorf("got %v, %v", res, err)
				return
			}
			res.Body.Close()
		}
	}()
	var tabs []*peer
	for range n {
		tabs = append(tabs, dial(t, s.addr, "Origin", page, "Cookie", s.cookie(t, "alice", "laptop")))
	}
	<-done
	s.up.End(policy.Close(codes.Forbidden, "banned"), 0, policy.Tag{Key: "user", Value: "alice"})
	for _, tab := range tabs {
		tab.wantClose(4403, "banned;do=stop")
	}
	wantEmpty(t, s.up)
}

func postOf(t *testing.T, s *cookieSite, cookie string) *http.Request {
	r, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+s.addr+"/renew", nil)
	if err != nil {
		t.Error(err)
	}
	r.Header.Set("Cookie", cookie)
	return r
}

// A key of which no token can have a tag, or all of the user's browsers have, is a mistake when it is mounted.
func TestRenewHandlerMistakes(t *testing.T) {
	tags := func(jwt.RegisteredClaims) []policy.Tag { return nil }
	for _, tc := range []struct {
		name, key string
		up        *upgrade.Upgrader
		tags      func(jwt.RegisteredClaims) []policy.Tag
		want      int
	}{
		{"no key, no Upgrader", "", nil, tags, 2},
		{"the subject's", "user", &upgrade.Upgrader{}, tags, 1},
		{"no Tags", "browser", &upgrade.Upgrader{}, nil, 1},
	} {
		users := middleware.MustJWT(middleware.JWTConfig[jwt.RegisteredClaims]{
			Keys: middleware.StaticKey(&testKey.PublicKey), Methods: []string{"ES256"}, Tag: "user", Tags: tc.tags})
		if n := mistakes(t, panicError(t, func() { users.RenewHandler(tc.up, tc.key) })); n != tc.want {
			t.Errorf("%s: %d mistakes, want %d", tc.name, n, tc.want)
		}
	}
}
