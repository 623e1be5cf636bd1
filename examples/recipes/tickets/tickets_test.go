// Package tickets runs the code of docs/tickets.md.
package tickets

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
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
	"github.com/wsverdict/wsverdict/upgrade"
	"github.com/wsverdict/wsverdict/upgrade/upgradetest"
)

var users = middleware.MustJWT(middleware.JWTConfig[jwt.RegisteredClaims]{
	Keys: middleware.StaticKey(token.PublicKey), Methods: []string{"ES256"},
})

var tickets = middleware.MustTickets(middleware.TicketsConfig{
	Carry: []middleware.Carrier{users}, // so that users.Claims(r) works behind a ticket
})

const page = "https://app.example.com"

func TestMain(m *testing.M) { os.Exit(chrome.Main(m)) }

func routes(up *upgrade.Upgrader, page string) chi.Router {
	ws, r := middleware.For(up), chi.NewRouter()
	perUser := middleware.RateLimitConfig{Rate: middleware.PerMinute(30), Key: middleware.BySubject}
	r.With(ws.Origin(page), ws.Use(users), ws.RateLimit(perUser)).Method("POST", "/ticket", tickets.Handler(up))
	r.With(ws.Origin(page), ws.Use(tickets)).Handle("/ws", up.Handler(chat))
	return r
}

func chat(r *http.Request) (upgrade.Session, error) {
	claims, _ := users.Claims(r)
	return func(ctx context.Context, c *upgrade.Conn) error {
		return c.Write(ctx, upgrade.Text, []byte("hello, "+claims.Subject))
	}, nil
}

// A page fetches a ticket with a header that a handshake cannot have, and connects with it, once.
func TestTickets(t *testing.T) {
	up := &upgrade.Upgrader{}
	addr := upgradetest.Serve(t, routes(up, page))
	r, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+addr+"/ticket", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token.Sign(t, token.For("alice", time.Hour)))
	r.Header.Set("Origin", page)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var answer struct {
		Ticket    string
		ExpiresIn int `json:"expires_in"`
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil || answer.ExpiresIn != 15 {
		t.Fatalf("%s: %+v, %v", res.Status, answer, err)
	}

	connect := func() *upgradetest.Client {
		return upgradetest.Handshake(t, addr, "/ws?ticket="+answer.Ticket, upgradetest.Header("Origin", page))
	}
	c := connect()
	if f := c.Frame(); string(f.Payload) != "hello, alice" {
		t.Errorf("got %q", f.Payload)
	}
	c.WantClose(1000, "")
	c.Bye()
	again := connect()
	again.WantClose(4401, "ticket_invalid;do=refresh")
	again.Bye()
	upgradetest.WantEmpty(t, up)
}

// The page's lines, as the guide has them, in Chromium: one fetch for each attempt.
func TestPage(t *testing.T) {
	var h http.Handler
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(w, r) }))
	addr := server.Listener.Addr().String()

	up := &upgrade.Upgrader{}
	r := routes(up, "http://"+addr)
	script := strings.ReplaceAll(recipe.Script(t, "tickets.md"), "wss://app.example.com", "ws://"+addr)
	r.Get("/", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, chrome.Watch+`<script type="module">
			import { connect } from "/wsverdict/wsverdict.js";
			const authorization = "Bearer %s", signIn = () => {};
			%s</script>`, token.Sign(t, token.For("alice", time.Hour)), strings.Replace(script, "connect((", "window.socket = connect((", 1))
	})
	r.Handle("/wsverdict/*", codes.Script())
	h = r
	server.Start()
	t.Cleanup(server.Close)

	tab := chrome.Tab(t)
	if err := chromedp.Do(tab, chromedp.Navigate("http://"+addr)); err != nil {
		t.Fatal(err)
	}
	chrome.Wait(t, tab, `window.socket?.outcome?.code === 1000`)
	upgradetest.WantEmpty(t, up)
}
