// Package cookies runs the code of docs/cookies.md, the page's in Chromium.
package cookies

import (
	"context"
	"io"
	"net/http"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/go-chi/chi/v5"
	"github.com/golang-jwt/jwt/v5"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/examples/internal/chrome"
	"github.com/wsverdict/wsverdict/examples/internal/recipe"
	"github.com/wsverdict/wsverdict/examples/internal/token"
	"github.com/wsverdict/wsverdict/middleware"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
	"github.com/wsverdict/wsverdict/upgrade/upgradetest"
)

func TestMain(m *testing.M) { os.Exit(chrome.Main(m)) }

var publicKey = token.PublicKey

type AppClaims struct {
	SessionID string `json:"sid"` // of the sign-in: the same in every token of one browser
	jwt.RegisteredClaims
}

var users = middleware.MustJWT(middleware.JWTConfig[AppClaims]{
	Keys: middleware.StaticKey(publicKey), Methods: []string{"ES256"},
	From: middleware.TokenSources{middleware.Cookie("session")},
	Tag:  "user",
	Tags: func(c AppClaims) []policy.Tag { return []policy.Tag{{Key: "browser", Value: c.SessionID}} },
})

var perAddress = middleware.RateLimitConfig{Rate: middleware.PerMinute(60)}

func routes(up *upgrade.Upgrader) chi.Router {
	ws, r := middleware.For(up), chi.NewRouter()
	page := ws.Origin(middleware.SameOrigin) // or "https://app.example.com": where pages are from
	r.With(page, ws.Use(users)).Handle("/ws", up.Handler(chat))
	r.With(page, ws.RateLimit(perAddress)).Handle("/ws/renew", users.RenewHandler(up, "browser"))
	return r
}

func chat(*http.Request) (upgrade.Session, error) {
	return func(ctx context.Context, c *upgrade.Conn) error {
		c.BeforeExpiry(time.Minute, func(time.Time) { c.Send(renewPlease) }) // upgrade.Prepare(upgrade.Text, []byte("renew"))
		return serve(ctx, c)
	}, nil
}

var renewPlease, _ = upgrade.Prepare(upgrade.Text, []byte("renew"))

// serve says when it was admitted, and listens.
func serve(ctx context.Context, c *upgrade.Conn) error {
	if err := c.Write(ctx, upgrade.Text, []byte("hello")); err != nil {
		return err
	}
	return upgradetest.Echo(ctx, c)
}

// signIn is the user's own: it sets a cookie whose token is good for so long.
func signIn(t *testing.T, w http.ResponseWriter, life time.Duration) {
	http.SetCookie(w, &http.Cookie{Name: "session", Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode,
		Value: token.Sign(t, AppClaims{"laptop", token.For("alice", life)})})
}

// The page is asked for a new token, twice since the second one is short, and its one connection stays. A
// page of the same site and another origin renews nothing, with the same cookie.
func TestCookies(t *testing.T) {
	refused := make(chan upgrade.Event, 10)
	up := &upgrade.Upgrader{Observer: upgrade.ObserverFunc(func(e upgrade.Event) {
		if e.Kind == upgrade.Settled && e.Outcome != upgrade.Admitted {
			refused <- e
		}
	})}
	r := routes(up)
	var tokens, renewals atomic.Int32
	r.Get("/", func(w http.ResponseWriter, _ *http.Request) {
		signIn(t, w, 40*time.Second)
		io.WriteString(w, chrome.Watch+`<script>const said = []; const show = (data) => said.push(data)</script><script type="module">`+recipe.Script(t, "cookies.md")+`</script>`)
	})
	r.Post("/token", func(w http.ResponseWriter, _ *http.Request) {
		if tokens.Add(1) == 1 {
			signIn(t, w, 55*time.Second)
		} else {
			signIn(t, w, time.Hour)
		}
	})
	r.Handle("/wsverdict/*", codes.Script())
	addr := upgradetest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.ServeHTTP(w, req)
		if req.URL.Path == "/ws/renew" {
			renewals.Add(1)
		}
	}))
	forgery := upgradetest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `<script>
			const attack = fetch("http://`+addr+`/ws/renew", { method: "POST", mode: "no-cors", credentials: "include" }).then(() => "sent");
		</script>`)
	}))

	tab := chrome.Tab(t)
	do := func(steps ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		if err := chromedp.Do(tab, steps...); err != nil {
			t.Fatal(err)
		}
	}
	do(chromedp.Navigate("http://" + addr))
	chrome.Wait(t, tab, `said[0] === "hello"`)
	upgradetest.Eventually(t, "the page was asked twice", func() bool { return tokens.Load() == 2 })
	upgradetest.Eventually(t, "it has renewed twice", func() bool { return renewals.Load() == 2 })
	if s := up.Stats(); s.Live != 1 {
		t.Errorf("%d connections", s.Live)
	}
	if len(refused) != 0 {
		t.Errorf("refused: %+v", <-refused)
	}

	do(chromedp.Navigate("http://"+forgery), chromedp.Poll[chromedp.Void](`attack.then((s) => s === "sent")`, chromedp.WithPollingTimeout(0)))
	if e := <-refused; e.Policy != "origin" || e.Status != 403 {
		t.Errorf("the forged request: %s by %s, %d", e.Verdict, e.Policy, e.Status)
	}
	up.EndAll(policy.Close(codes.Forbidden, "test_over"), 0) // the page it has left may be kept, with its connection
	upgradetest.WantEmpty(t, up)
}
