// Package flow runs the code of docs/flow.md.
package flow

import (
	"expvar"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/golang-jwt/jwt/v5"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/examples/internal/token"
	"github.com/wsverdict/wsverdict/middleware"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
	"github.com/wsverdict/wsverdict/upgrade/upgradetest"
)

var users = middleware.MustJWT(middleware.JWTConfig[jwt.RegisteredClaims]{Keys: middleware.StaticKey(token.PublicKey), Methods: []string{"ES256"}})

var chat = upgradetest.Run(upgradetest.Echo)

func profile(http.ResponseWriter, *http.Request) {}

func TestOrdinaryHandlersToo(t *testing.T) {
	up := &upgrade.Upgrader{}
	ws := middleware.For(up)

	r := chi.NewRouter()
	r.Use(ws.Origin(middleware.SameOrigin), ws.Use(users))
	r.Get("/api/profile", profile)    // denied: 401
	r.Handle("/ws", up.Handler(chat)) // denied: 4401

	_, plain := upgradetest.Judge(t, r, "/api/profile")
	plain.WantStatus(t, 401, "token_missing")
	browser, _ := upgradetest.Judge(t, r, "/ws")
	browser.WantClose(t, 4401, "token_missing;do=refresh")
}

type tenantKey struct{}

func TestBrings(t *testing.T) {
	tenant := "acme"
	p := policy.Func(func(*http.Request) policy.Verdict {
		return policy.Allow().WithValue(tenantKey{}, tenant)
	})
	seen := ""
	up := &upgrade.Upgrader{}
	h := up.Use(p)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen, _ = r.Context().Value(tenantKey{}).(string) }))
	if upgradetest.Judge(t, h, "/"); seen != tenant {
		t.Errorf("got %q", seen)
	}
}

func apiKey(r *http.Request) policy.Verdict {
	switch r.Header.Get("X-Api-Key") {
	case "secret":
		return policy.Allow().WithSubject("pump-7")
	case "":
		return policy.Close(codes.Unauthorized, "api_key_missing").Missing()
	}
	return policy.Close(codes.Unauthorized, "api_key_invalid").WithAction(codes.Stop)
}

func TestAny(t *testing.T) {
	up := &upgrade.Upgrader{}
	ws, r := middleware.For(up), chi.NewRouter()
	machines := policy.Named("api_key", policy.Func(apiKey))
	r.With(ws.Use(policy.Any(users, machines))).Handle("/ws", up.Handler(chat))

	browser, _ := upgradetest.Judge(t, r, "/ws", "X-Api-Key", "secret")
	browser.WantAdmitted(t)
	browser, _ = upgradetest.Judge(t, r, "/ws", "X-Api-Key", "wrong")
	browser.WantClose(t, 4401, "api_key_invalid;do=stop")
}

func TestNotFound(t *testing.T) {
	up := &upgrade.Upgrader{}
	ws, r := middleware.For(up), chi.NewRouter()
	r.With(ws.Origin("https://app.example.com"), ws.Use(users)).NotFound(up.Handler(chat).ServeHTTP)

	browser, _ := upgradetest.Judge(t, r, "/anything", "Origin", "https://app.example.com")
	browser.WantClose(t, 4401, "token_missing;do=refresh")
}

func TestOrder(t *testing.T) {
	up := &upgrade.Upgrader{}
	ws, r := middleware.For(up), chi.NewRouter()
	defer func() {
		if text := fmt.Sprint(recover()); !strings.HasPrefix(text, "upgrade: order:\n\tan Origin link stands directly behind another link: mount Origin first, ") {
			t.Error(text)
		}
	}()
	r.With(ws.Use(users), ws.Origin("https://app.example.com")).Handle("/ws", up.Handler(chat))
	// panic: upgrade: order:
	//     an Origin link stands directly behind another link: mount Origin first, …
}

func TestObserver(t *testing.T) {
	settled := new(expvar.Map)
	up := &upgrade.Upgrader{Observer: upgrade.ObserverFunc(func(e upgrade.Event) {
		if e.Kind == upgrade.Settled {
			settled.Add(e.Policy+" "+e.Outcome.String()+" "+e.Verdict.Slug(), 1) // an expvar.Map
		}
	})}
	upgradetest.Judge(t, up.Use(users)(up.Handler(chat)), "/ws")
	upgradetest.Eventually(t, "both are counted", func() bool { // clients may have their answers earlier
		return settled.String() == `{"jwt answered token_missing": 1, "jwt closed token_missing": 1}`
	})
}
