// Package sessions runs the code of docs/sessions.md.
package sessions

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-chi/chi/v5"
	chimiddleware "github.com/go-chi/chi/v5/middleware"
	"github.com/gobwas/ws"
	"github.com/golang-jwt/jwt/v5"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/examples/internal/token"
	"github.com/wsverdict/wsverdict/middleware"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
	"github.com/wsverdict/wsverdict/upgrade/upgradetest"
)

var users = middleware.MustJWT(middleware.JWTConfig[jwt.RegisteredClaims]{
	Keys: middleware.StaticKey(token.PublicKey), Methods: []string{"ES256"}, Tag: "user",
})

func bearer(t *testing.T, subject string) []string {
	return []string{"Authorization", "Bearer " + token.Sign(t, token.For(subject, time.Hour))}
}

func chat(r *http.Request) (upgrade.Session, error) { // inside the chain: the request is here
	claims, _ := users.Claims(r)
	user, room := claims.Subject, chi.URLParam(r, "room")     // take what the session needs
	return func(ctx context.Context, c *upgrade.Conn) error { // outside: the request is gone
		return serve(ctx, c, user, room)
	}, nil
}

func serve(ctx context.Context, c *upgrade.Conn, user, room string) error {
	return c.Write(ctx, upgrade.Text, []byte(user+" in "+room))
}

func TestTwoFunctions(t *testing.T) {
	up := &upgrade.Upgrader{}
	r := chi.NewRouter()
	r.With(up.Use(users)).Handle("/rooms/{room}", up.Handler(chat))
	c := upgradetest.Open(t, r, "/rooms/lobby", bearer(t, "alice")...)
	if f := c.Frame(); string(f.Payload) != "alice in lobby" {
		t.Errorf("got %q", f.Payload)
	}
	c.WantClose(1000, "")
	c.Bye()
}

func echo(*http.Request) (upgrade.Session, error) {
	return func(ctx context.Context, c *upgrade.Conn) error {
		var buf []byte
		for {
			typ, message, err := c.Read(ctx, buf)
			if err != nil {
				return err
			}
			if err := c.Write(ctx, typ, message); err != nil {
				return err
			}
			buf = message // the next message may use its space
		}
	}, nil
}

func TestMessages(t *testing.T) {
	up := &upgrade.Upgrader{}
	c := upgradetest.Open(t, up.Handler(echo), "/ws")
	c.Say("a long message", "a long message")
	c.Say("short", "short")
	c.Leave(1000)
}

// A quote is what a stock costs.
type quote struct {
	Symbol string
	Cents  int
}

func quoteOf(symbol string) quote { return quote{symbol, 100} }

func quotes(ctx context.Context, c *upgrade.Conn) error {
	for {
		var question struct{ Symbol string }
		if err := c.ReadJSON(ctx, &question); err != nil {
			return err // 4400 message_malformed;do=stop
		}
		if err := c.WriteJSON(ctx, quoteOf(question.Symbol)); err != nil {
			return err
		}
	}
}

func TestJSON(t *testing.T) {
	up := &upgrade.Upgrader{}
	c := upgradetest.Open(t, up.Handler(upgradetest.Run(quotes)), "/ws")
	c.Say(`{"symbol":"GO"}`, `{"Symbol":"GO","Cents":100}`)
	c.SendText(`{"symbol":1}`)
	c.WantClose(4400, "message_malformed;do=stop")
	c.Bye()
}

func TestBroadcast(t *testing.T) {
	up := &upgrade.Upgrader{OutboxBytes: 64 << 10, SlowConsumer: policy.Close(codes.RequestTimeout, "slow_consumer")} // both are the defaults
	tagged := func(symbol string) http.Handler {
		return up.Use(policy.Func(func(*http.Request) policy.Verdict { return policy.Allow().WithTag("stock", symbol) }))(up.Handler(echo))
	}
	holder, other := upgradetest.Open(t, tagged("GO"), "/ws"), upgradetest.Open(t, tagged("C"), "/ws")
	for _, c := range []*upgradetest.Client{holder, other} {
		c.Say("here", "here")
	}
	quote := quoteOf("GO")
	price, err := up.PrepareJSON(quote) // or upgrade.Prepare(upgrade.Text, data)
	n := up.Broadcast(price, policy.Tag{Key: "stock", Value: quote.Symbol})
	if n != 1 || err != nil {
		t.Errorf("sent to %d, %v", n, err)
	}
	n, err = up.BroadcastJSON(quote, policy.Tag{Key: "stock", Value: quote.Symbol}) // or both in one
	if n != 1 || err != nil {
		t.Errorf("sent to %d, %v", n, err)
	}
	for range 2 {
		if f := holder.Frame(); string(f.Payload) != `{"Symbol":"GO","Cents":100}` {
			t.Errorf("got %q", f.Payload)
		}
	}
	other.Say("nothing", "nothing")
	holder.Leave(1000)
	other.Leave(1000)
}

func TestRequestID(t *testing.T) {
	up := &upgrade.Upgrader{SessionContext: func(ctx context.Context, r *http.Request) context.Context {
		return context.WithValue(ctx, chimiddleware.RequestIDKey, chimiddleware.GetReqID(r.Context())) // chi's
	}}
	id := upgradetest.Run(func(ctx context.Context, c *upgrade.Conn) error {
		return c.Write(ctx, upgrade.Text, []byte(chimiddleware.GetReqID(ctx)))
	})
	c := upgradetest.Open(t, chimiddleware.RequestID(up.Handler(id)), "/ws", "X-Request-Id", "7")
	if f := c.Frame(); string(f.Payload) != "7" {
		t.Errorf("the session's request id is %q", f.Payload)
	}
	c.WantClose(1000, "")
	c.Bye()
}

var messages = middleware.MustRateLimit(middleware.RateLimitConfig{Rate: middleware.PerSecond(10), Key: middleware.BySubject})

func talk(r *http.Request) (upgrade.Session, error) {
	sent, err := messages.Messages(r) // a user's connections share what they may send
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, c *upgrade.Conn) error {
		for {
			_, message, err := c.Read(ctx, nil)
			if err != nil {
				return err
			}
			if err := sent.Take(ctx, 1); err != nil {
				return err // or answer, and go on
			}
			c.Write(ctx, upgrade.Text, message)
		}
	}, nil
}

func TestMessageRate(t *testing.T) {
	up := &upgrade.Upgrader{}
	h := up.Use(users)(up.Handler(talk))
	bob := upgradetest.Open(t, h, "/ws", bearer(t, "bob")...)
	for range 2 { // alice, at two connections: her ten a second are soon used up
		c := upgradetest.Open(t, h, "/ws", bearer(t, "alice")...)
		for range 1000 {
			c.SendText("hello")
		}
		f := c.Frame()
		for f.Header.OpCode == ws.OpText {
			f = c.Frame()
		}
		if code, reason := ws.ParseCloseFrameData(f.Payload); code != 4429 || !strings.HasPrefix(reason, "rate_limited;do=backoff;after=") {
			t.Errorf("closed with %d %s", code, reason)
		}
		c.Bye()
	}
	bob.Say("hello", "hello")
	bob.Leave(1000)
}

// renewing is told of its token's end, and gets the new one as its first message.
func renewing(ctx context.Context, c *upgrade.Conn) error {
	renewPlease, err := upgrade.Prepare(upgrade.Text, []byte("renew"))
	if err != nil {
		return err
	}
	c.BeforeExpiry(30*time.Second, func(time.Time) { c.Send(renewPlease) })
	_, message, err := c.Read(ctx, nil)
	if err != nil {
		return err
	}
	claims, err := users.Renew(ctx, c, string(message)) // the same subject, a later exp
	if err != nil {
		return err // a Verdict: 4401, 4403 token_subject_mismatch, or 4409 token_not_renewable
	}
	return c.Write(ctx, upgrade.Text, []byte("renewed for "+claims.Subject))
}

func TestRenew(t *testing.T) {
	up := &upgrade.Upgrader{}
	h := up.Use(users)(up.Handler(upgradetest.Run(renewing)))
	for _, tc := range []struct {
		subject, text string
		code          uint16
		reason        string
	}{
		{"alice", "renewed for alice", 1000, ""},
		{"bob", "", 4403, "token_subject_mismatch;do=stop"},
	} {
		c := upgradetest.Open(t, h, "/ws", "Authorization", "Bearer "+token.Sign(t, token.For("alice", 20*time.Second)))
		if f := c.Frame(); string(f.Payload) != "renew" {
			t.Errorf("got %q", f.Payload)
		}
		c.SendText(token.Sign(t, token.For(tc.subject, time.Hour)))
		if tc.text != "" && string(c.Frame().Payload) != tc.text {
			t.Errorf("%s was not renewed", tc.subject)
		}
		c.WantClose(tc.code, tc.reason)
		c.Bye()
	}
}

// bans are a user's own store.
var bans banned

type banned struct{ users sync.Map }

func (b *banned) Add(user string) { b.users.Store(user, true) }

func ban(up *upgrade.Upgrader, user string) int {
	bans.Add(user) // first where the policies look, then:
	n := up.End(policy.Close(codes.Forbidden, "banned"), 0, policy.Tag{Key: "user", Value: user})
	return n
}

func shutdown(up *upgrade.Upgrader, srv *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	err := up.Shutdown(ctx, srv)
	return err
}

func TestEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // the shutdown is spread over seconds
		up := &upgrade.Upgrader{}
		h := up.Use(users)(up.Handler(echo))
		alice, bob := upgradetest.Open(t, h, "/ws", bearer(t, "alice")...), upgradetest.Open(t, h, "/ws", bearer(t, "bob")...)
		bob.Say("here", "here")
		alice.Say("here", "here")
		if n := ban(up, "alice"); n != 1 {
			t.Errorf("%d connections of alice", n)
		}
		alice.WantClose(4403, "banned;do=stop")
		alice.Bye()
		ended := make(chan error, 1)
		go func() { ended <- shutdown(up, &http.Server{}) }()
		if code, _ := bob.ReadClose(); code != 4503 {
			t.Errorf("bob: %d", code)
		}
		bob.Bye()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
