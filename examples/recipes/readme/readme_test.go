// Package readme is README's code, as one program.
package readme

import (
	"context"
	"crypto/ecdsa"
	"net/http"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/golang-jwt/jwt/v5"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/examples/internal/token"
	"github.com/wsverdict/wsverdict/middleware"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
	"github.com/wsverdict/wsverdict/upgrade/upgradetest"
)

var (
	up   = &upgrade.Upgrader{Subprotocols: []string{"chat.v1", "bearer"}} // the zero value works, and is safe
	ws   = middleware.For(up)                                             // middlewares whose verdicts end in up
	down = &middleware.Switch{}                                           // maintenance: off, until down.On()
)

func routes() http.Handler {
	r := chi.NewRouter()
	r.Route("/ws", func(r chi.Router) {
		r.Use(
			ws.Origin("https://app.example.com"), // 403 before the upgrade, always
			ws.Maintenance(down),                 // 4503 maintenance;do=backoff
			ws.RateLimit(middleware.RateLimitConfig{Rate: middleware.PerMinute(20)}), // 4429 rate_limited;do=backoff;after=3
			ws.Use(users), // 4401 token_expired;do=refresh
		)
		r.With(ws.Use(policy.Func(membersOnly))).Handle("/rooms/{room}", up.Handler(chat))
	})
	return r
}

type AppClaims struct { // what your tokens say
	Role                 string `json:"role"`
	jwt.RegisteredClaims        // github.com/golang-jwt/jwt/v5
}

var users = middleware.MustJWT(middleware.JWTConfig[AppClaims]{
	Keys: middleware.StaticKey(publicKey), Methods: []string{"ES256"}, // publicKey is a *ecdsa.PublicKey: your issuer's
	From: middleware.TokenSources{middleware.Bearer, middleware.Subprotocol("bearer")}, // new WebSocket(url, ["chat.v1", "bearer", token])
	Tag:  "user",                                                                       // finds a user's live connections
})

var publicKey *ecdsa.PublicKey = token.PublicKey

func membersOnly(r *http.Request) policy.Verdict {
	claims, ok := users.Claims(r) // your AppClaims
	if !ok || !isMember(claims.Subject, r.PathValue("room")) {
		return policy.Close(codes.Forbidden, "not_a_member") // the script reads 4403 not_a_member;do=stop
	}
	return policy.Allow()
}

func isMember(_, room string) bool { return room == "lobby" }

func chat(r *http.Request) (upgrade.Session, error) { // the request is here; an error refuses
	room := r.PathValue("room")
	return func(ctx context.Context, c *upgrade.Conn) error { // the request is gone
		c.Tag("room", room)
		for {
			typ, message, err := c.Read(ctx, nil) // at most 1 MiB, UTF-8 checked, pings answered
			if err != nil {
				return err
			}
			everybody, err := upgrade.Prepare(typ, message) // one frame, however many get it
			if err != nil {
				return err
			}
			up.Broadcast(everybody, policy.Tag{Key: "room", Value: room}) // waits for nobody: who reads too slowly is closed with 4408
		}
	}, nil // its result closes: nil with 1000, a Verdict with its code, any other error with 1011
}

// endAll bans somebody, begins the maintenance, and shuts down.
func endAll(ctx context.Context, srv *http.Server, id string) {
	up.End(policy.Close(codes.Forbidden, "banned"), 0, policy.Tag{Key: "user", Value: id}) // a ban: 4403 banned;do=stop
	down.Drain(up, time.Minute)                                                            // maintenance, spread over a minute
	up.Shutdown(ctx, srv)                                                                  // 4503 restart;do=reconnect;after=…, and wait
}

const app = "https://app.example.com"

func join(t *testing.T, addr, room, token, origin string) *upgradetest.Client {
	t.Helper()
	c := upgradetest.Handshake(t, addr, "/ws/rooms/"+room, upgradetest.Header(
		"Origin", origin, "Sec-WebSocket-Protocol", "chat.v1, bearer, "+token))
	return c
}

func tokenOf(t *testing.T, subject string, life time.Duration) string {
	return token.Sign(t, AppClaims{"guest", token.For(subject, life)})
}

func TestReadme(t *testing.T) {
	addr := upgradetest.Serve(t, routes())
	alice := join(t, addr, "lobby", tokenOf(t, "alice", time.Hour), app)
	alice.Say("alone", "alone") // she is in the room
	bob := join(t, addr, "lobby", tokenOf(t, "bob", time.Hour), app)
	bob.Say("ready", "ready")
	alice.WantText("ready")
	alice.Say("hello", "hello")
	bob.WantText("hello")
	for _, tc := range []struct {
		room, token string
		code        uint16
		reason      string
	}{
		{"cellar", tokenOf(t, "alice", time.Hour), 4403, "not_a_member;do=stop"},
		{"lobby", tokenOf(t, "alice", -time.Hour), 4401, "token_expired;do=refresh"},
	} {
		c := join(t, addr, tc.room, tc.token, app)
		c.WantClose(tc.code, tc.reason)
		c.Bye()
	}
	if c := join(t, addr, "lobby", tokenOf(t, "alice", time.Hour), "https://evil.example"); c.Response.StatusCode != 403 {
		t.Errorf("another site's page got %s", c.Response.Status)
	}

	ended := make(chan struct{})
	go func() {
		defer close(ended)
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		endAll(ctx, &http.Server{}, "alice")
	}()
	alice.WantClose(4403, "banned;do=stop")
	alice.Bye()
	if code, reason := bob.ReadClose(); code != 4503 {
		t.Errorf("bob: %d %s", code, reason)
	}
	bob.Bye()
	<-ended
}

func TestWithoutChi(t *testing.T) {
	mux := http.NewServeMux()
	mux.Handle("GET /ws", ws.Origin(middleware.SameOrigin)(ws.Use(users)(up.Handler(chat))))

	_, plain := upgradetest.Judge(t, mux, "/ws")
	plain.WantStatus(t, 401, "token_missing")
}
