// Package testing runs the code of docs/testing.md.
package testing

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/examples/internal/token"
	"github.com/wsverdict/wsverdict/middleware"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
	"github.com/wsverdict/wsverdict/upgrade/upgradetest"
)

// AppClaims, users, members, routes and rooms are the program under test.
type AppClaims struct {
	Role string `json:"role"`
	jwt.RegisteredClaims
}

var users = middleware.MustJWT(middleware.JWTConfig[AppClaims]{Keys: middleware.StaticKey(token.PublicKey), Methods: []string{"ES256"}, Tag: "user"})

func members(r *http.Request) policy.Verdict {
	if claims, ok := users.Claims(r); !ok || claims.Role == "guest" {
		return policy.Close(codes.Forbidden, "not_a_member")
	}
	return policy.Allow()
}

func routes(up *upgrade.Upgrader) http.Handler {
	return up.Use(users)(up.Use(policy.Func(members))(up.Handler(upgradetest.Run(greet))))
}

// greet answers a greeting, and waits for its end.
func greet(ctx context.Context, c *upgrade.Conn) error {
	for {
		var hello struct {
			Type string `json:"type"`
		}
		if err := c.ReadJSON(ctx, &hello); err != nil {
			return err
		}
		if hello.Type = "welcome"; c.WriteJSON(ctx, hello) != nil {
			return nil
		}
	}
}

func tokenFor(t *testing.T, life time.Duration) string {
	return token.Sign(t, AppClaims{"member", token.For("alice", life)})
}

func TestMain(m *testing.M) { os.Exit(upgradetest.HTTP2(m.Run)) }

func TestOverHTTP2(t *testing.T) {
	srv := upgradetest.ServeHTTP2(t, routes(&upgrade.Upgrader{}))
	client := upgradetest.DialHTTP2(t, srv, "/ws", "Origin", srv.URL, "Authorization", "Bearer "+tokenFor(t, time.Hour))
	client.Say(`{"type":"hello"}`, `{"type":"welcome"}`)
}

func TestAPolicy(t *testing.T) {
	request := httptest.NewRequest("GET", "/", nil)
	v := policy.Func(members).Judge(users.WithClaims(request, AppClaims{Role: "guest"}))
	if !errors.Is(v, policy.Close(codes.Forbidden, "not_a_member")) {
		t.Error(v)
	}
}

func TestAChain(t *testing.T) {
	expired := tokenFor(t, -time.Hour)

	events := upgradetest.NewRecorder()
	up := &upgrade.Upgrader{Observer: events}

	browser, plain := upgradetest.Judge(t, routes(up), "/rooms/1", "Authorization", "Bearer "+expired)
	browser.WantClose(t, 4401, "token_expired;do=refresh")
	plain.WantStatus(t, 401, "token_expired")
	if e := events.Next(t); e.Policy != "jwt" { // what the Observer was told
		t.Error(e)
	}
}

func TestASession(t *testing.T) {
	up := &upgrade.Upgrader{}
	token := tokenFor(t, time.Hour)

	client := upgradetest.Open(t, routes(up), "/rooms/1", "Authorization", "Bearer "+token)
	client.Say(`{"type":"hello"}`, `{"type":"welcome"}`) // sends, and wants this back
	up.End(policy.Close(codes.Forbidden, "banned"), 0, policy.Tag{Key: "user", Value: "alice"})
	client.WantClose(4403, "banned;do=stop")
	client.Bye() // answers the close frame
}

// A Room is who is in it.
type Room struct {
	mu    sync.Mutex
	conns []*upgrade.Conn
}

func (r *Room) Join(c *upgrade.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conns = append(r.conns, c)
}

func (r *Room) Say(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p, _ := upgrade.Prepare(upgrade.Text, []byte(text))
	for _, c := range r.conns {
		c.Send(p)
	}
}

func TestAConnection(t *testing.T) {
	var room Room
	up := &upgrade.Upgrader{}

	conn, client := upgradetest.Pair(t, up.Handler)
	room.Join(conn)
	room.Say("hello")
	if f := client.Frame(); string(f.Payload) != "hello" {
		t.Errorf("got %q", f.Payload)
	}
}

func TestAnHour(t *testing.T) {
	up := func() *upgrade.Upgrader { return &upgrade.Upgrader{} }

	synctest.Test(t, func(t *testing.T) {
		goodForAnHour := tokenFor(t, time.Hour)

		client := upgradetest.Open(t, routes(up()), "/ws", "Authorization", "Bearer "+goodForAnHour)
		client.WantClose(4401, "token_expired;do=refresh") // an hour later, after 180 pings and pongs
	})
}
