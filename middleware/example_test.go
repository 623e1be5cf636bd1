package middleware_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	"github.com/golang-jwt/jwt/v5"
	"github.com/golang-jwt/jwt/v5/request"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/middleware"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

// The whole chain, in the order that the package's documentation gives.
func Example() {
	type AppClaims struct {
		Rooms []string `json:"rooms"`
		jwt.RegisteredClaims
	}
	users := middleware.MustJWT(middleware.JWTConfig[AppClaims]{
		Keys: exampleKeys, Methods: []string{"ES256"},
		From: []request.Extractor{middleware.Bearer, middleware.Subprotocol("bearer")},
	})
	membersOnly := func(r *http.Request) policy.Verdict {
		claims, ok := users.Claims(r)
		for _, room := range claims.Rooms {
			if ok && room == r.PathValue("room") {
				return policy.Allow()
			}
		}
		return policy.Close(codes.Forbidden, "not_a_member")
	}
	chat := func(r *http.Request) (upgrade.Session, error) {
		claims, _ := users.Claims(r)
		welcome := claims.Subject + " is in the " + r.PathValue("room")
		return func(_ context.Context, c *upgrade.Conn) error {
			return wsutil.WriteServerText(c.NetConn(), []byte(welcome))
		}, nil
	}

	up := &upgrade.Upgrader{Subprotocols: []string{"chat.v1", "bearer"}}
	ws := middleware.For(up)
	down := &middleware.Switch{}

	r := chi.NewRouter()
	r.Route("/ws", func(r chi.Router) {
		r.Use(
			ws.Origin("https://app.example.com", "https://*.example.com"),
			ws.Maintenance(down),
			ws.RateLimit(middleware.RateLimitConfig{Rate: middleware.PerMinute(20), Key: middleware.ByIP}),
			ws.Use(users),
		)
		r.With(ws.Use(policy.Named("members", policy.Func(membersOnly)))).Handle("/rooms/{room}", up.Handler(chat))
	})

	srv := httptest.NewServer(r)
	defer srv.Close()
	const app = "https://app.example.com"
	claims := AppClaims{[]string{"lobby"}, jwt.RegisteredClaims{Subject: "alice", ExpiresAt: jwt.NewNumericDate(time.Now().Add(time.Hour))}}
	good := exampleToken(claims)
	claims.ExpiresAt = jwt.NewNumericDate(time.Now().Add(-time.Hour))
	old := exampleToken(claims)

	fmt.Println(browse(srv, "/ws/rooms/lobby", app, "chat.v1", "bearer", good))
	fmt.Println(browse(srv, "/ws/rooms/cellar", app, "chat.v1", "bearer", good))
	fmt.Println(browse(srv, "/ws/rooms/lobby", app, "chat.v1", "bearer", old))
	fmt.Println(browse(srv, "/ws/rooms/lobby", app, "chat.v1"))
	fmt.Println(browse(srv, "/ws/rooms/lobby", "https://evil.example", "chat.v1", "bearer", good))
	down.On()
	fmt.Println(browse(srv, "/ws/rooms/lobby", app, "chat.v1", "bearer", good))
	// Output:
	// "alice is in the lobby", closed: 1000
	// closed: 4403 not_a_member;do=stop
	// closed: 4401 token_expired;do=refresh
	// closed: 4401 token_missing;do=refresh
	// refused: HTTP 403
	// closed: 4503 maintenance;do=backoff
}

// Claims in a policy of one's own: the handle that let the token pass gives them back, typed.
func ExampleJWT() {
	type Claims struct {
		Plan string `json:"plan"`
		jwt.RegisteredClaims
	}
	users, err := middleware.NewJWT(middleware.JWTConfig[Claims]{Keys: exampleKeys, Methods: []string{"ES256"}})
	if err != nil {
		panic(err) // lists every mistake in the configuration
	}
	paying := policy.Named("paying", policy.Func(func(r *http.Request) policy.Verdict {
		claims, ok := users.Claims(r)
		switch {
		case !ok: // users does not stand in front: a mistake in mounting lets nobody in
			return policy.Close(codes.InternalServerError, "no_claims")
		case claims.Plan == "free":
			return policy.Close(4100, "plan_too_small").WithStatus(http.StatusPaymentRequired)
		}
		return policy.Allow()
	}))

	ws := middleware.For(&upgrade.Upgrader{})
	r := chi.NewRouter()
	r.With(ws.Use(users), ws.Use(paying)).Get("/export", func(w http.ResponseWriter, r *http.Request) {
		claims, _ := users.Claims(r)
		fmt.Fprintf(w, "export for %s", claims.Subject)
	})
	get := func(plan string) string {
		req := httptest.NewRequest(http.MethodGet, "/export", nil)
		req.Header.Set("Authorization", "Bearer "+exampleToken(Claims{plan, jwt.RegisteredClaims{
			Subject: "alice", ExpiresAt: jwt.NewNumericDate(time.Now().Add(time.Hour))}}))
		w := httptest.NewRecorder()
		r.ServeHTTP(w, req)
		return fmt.Sprintln(w.Code, strings.TrimSpace(w.Body.String()))
	}
	fmt.Print(get("team"), get("free"))
	// Output:
	// 200 export for alice
	// 402 {"status":402,"title":"Payment Required","detail":"The request was refused.","code":4100,"slug":"plan_too_small","action":"stop"}
}

// A policy that looks at claims is tested without a token: put the claims into the request, and judge.
func ExampleJWT_WithClaims() {
	users := middleware.MustJWT(middleware.JWTConfig[jwt.RegisteredClaims]{Keys: exampleKeys, Methods: []string{"ES256"}})
	ownInbox := policy.Func(func(r *http.Request) policy.Verdict {
		if claims, ok := users.Claims(r); !ok || claims.Subject != r.PathValue("user") {
			return policy.Close(codes.Forbidden, "not_yours")
		}
		return policy.Allow()
	})

	r := httptest.NewRequest(http.MethodGet, "/inbox/alice", nil)
	r.SetPathValue("user", "alice")
	for _, subject := range []string{"alice", "mallory"} {
		v := ownInbox.Judge(users.WithClaims(r, jwt.RegisteredClaims{Subject: subject}))
		fmt.Printf("%s: %v %q\n", subject, v.Allowed(), v.Reason())
	}
	fmt.Println("nobody:", ownInbox.Judge(r).Allowed())
	// Output:
	// alice: true ""
	// mallory: false "not_yours;do=stop"
	// nobody: false
}

// A new limit on trial: the Observer counts whom it would have refused, and everybody passes.
func ExampleChain_Shadow() {
	var mu sync.Mutex
	refused := map[string]int{}
	ws := middleware.For(&upgrade.Upgrader{Observer: upgrade.ObserverFunc(func(e upgrade.Event) {
		if e.Kind == upgrade.Shadowed && !e.Verdict.Allowed() {
			mu.Lock()
			defer mu.Unlock()
			refused[e.Policy+" "+e.Verdict.Slug()]++
		}
	})})
	limit, err := middleware.NewRateLimit(middleware.RateLimitConfig{Rate: middleware.PerMinute(1)})
	if err != nil {
		panic(err)
	}
	h := ws.Shadow(policy.Named("one_a_minute", limit))(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "served")
	}))

	w := httptest.NewRecorder()
	for range 3 {
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	}
	fmt.Print(w.Body)
	fmt.Println(refused)
	// Output:
	// served
	// served
	// served
	// map[one_a_minute rate_limited:2]
}

// A switch that operators reach at run time. Its end, where it is known, is what clients are told to wait.
func ExampleSwitch() {
	down := &middleware.Switch{}
	p := middleware.NewMaintenance(down)
	r := httptest.NewRequest(http.MethodGet, "/", nil)

	fmt.Println(p.Judge(r).Allowed())
	down.On()
	fmt.Println(p.Judge(r).Reason())
	down.Until(time.Now().Add(time.Minute))
	fmt.Println(p.Judge(r).Reason())
	down.Off()
	fmt.Println(p.Judge(r).Allowed())
	// Output:
	// true
	// maintenance;do=backoff
	// maintenance;do=backoff;after=60
	// true
}

// The wrong use: Origin behind authentication would tell every site on the web who is logged in. Mounting panics.
func ExampleChain_Origin_wrong() {
	defer func() { fmt.Println(recover()) }()

	users := middleware.MustJWT(middleware.JWTConfig[jwt.RegisteredClaims]{Keys: exampleKeys, Methods: []string{"ES256"}})
	up := &upgrade.Upgrader{}
	ws := middleware.For(up)
	r := chi.NewRouter()
	r.With(ws.Use(users), ws.Origin("https://app.example.com")).Handle("/ws", up.Handler(nobody))
	// Output:
	// upgrade: order:
	// 	an Origin link stands directly behind another link: mount Origin first, then maintenance, rate limit by IP, authentication and your own policies; patterns of two Origin links belong into one
}

// The wrong use: patterns that would let strangers in, or nobody. All mistakes come at once, when the server starts.
func ExampleChain_Origin_mistakes() {
	defer func() { fmt.Println(recover()) }()

	ws := middleware.For(&upgrade.Upgrader{})
	ws.Origin("*", "app.example.com", "https://app.example.com/", "https://*.com", "null")
	// Output:
	// middleware: Origin:
	// 	"*": that is no check; Upgrader.InsecureAnyOrigin without an Origin link allows it
	// 	"app.example.com": want scheme "://" host [ ":" port ] and nothing else, as in https://app.example.com
	// 	"https://app.example.com/": want scheme "://" host [ ":" port ] and nothing else, as in https://app.example.com
	// 	"https://*.com": that is a whole top-level domain
	// 	"null": every site can send it; if you must, OriginConfig.InsecureNull allows it
}

func nobody(*http.Request) (upgrade.Session, error) {
	return nil, policy.Close(codes.Forbidden, "nobody")
}

var exampleKeys = middleware.StaticKey(&testKey.PublicKey)

func exampleToken(claims jwt.Claims) string {
	token, err := jwt.NewWithClaims(jwt.SigningMethodES256, claims).SignedString(testKey)
	if err != nil {
		panic(err)
	}
	return token
}

// browse opens a WebSocket as a page of origin does, and tells what came back. A script learns nothing of a refused handshake.
func browse(srv *httptest.Server, path, origin string, subprotocols ...string) string {
	d := ws.Dialer{Timeout: 10 * time.Second, Protocols: subprotocols, Header: ws.HandshakeHeaderHTTP{"Origin": {origin}}}
	conn, early, _, err := d.Dial(context.Background(), "ws"+strings.TrimPrefix(srv.URL, "http")+path)
	var status ws.StatusError
	switch {
	case errors.As(err, &status):
		return fmt.Sprint("refused: HTTP ", int(status))
	case err != nil:
		return err.Error()
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	both := struct {
		io.Reader
		io.Writer
	}{conn, conn}
	if early != nil { // frames that came with the 101
		both.Reader = early
	}
	var said string
	for {
		text, err := wsutil.ReadServerText(both)
		var closed wsutil.ClosedError
		switch {
		case errors.As(err, &closed): // and answered, by wsutil
			return said + strings.TrimSpace(fmt.Sprintf("closed: %d %s", closed.Code, closed.Reason))
		case err != nil:
			return said + err.Error()
		}
		said += fmt.Sprintf("%q, ", text)
	}
}
