// The chat server has /rooms/{room}, /metrics, and for its admin /ban/{user} and /maintenance. Its login is for show: keep it local.
//
//	go run ./examples/chat
package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"embed"
	"flag"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/go-chi/chi/v5"
	chimiddleware "github.com/go-chi/chi/v5/middleware"
	"github.com/golang-jwt/jwt/v5"
	"github.com/golang-jwt/jwt/v5/request"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/middleware"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
	"github.com/wsverdict/wsverdict/upgrade/promupgrade"
)

//go:embed index.html style.css chat.js
var page embed.FS

var (
	up     = &upgrade.Upgrader{Subprotocols: []string{"chat.v1", "bearer"}, MaxMessageBytes: 4 << 10}
	key, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	users  = middleware.MustJWT(middleware.JWTConfig[jwt.RegisteredClaims]{
		Keys:    middleware.StaticKey(&key.PublicKey),
		Methods: []string{"ES256"},
		From:    []request.Extractor{middleware.Bearer, middleware.Subprotocol("bearer")},
		Tag:     "user",
	})
	down   middleware.Switch
	banned = policy.Close(codes.Forbidden, "banned")
	bans   sync.Map // of users
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8081", "listen on this `address`")
	flag.Parse()
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatalf("chat: %v; choose another address with -addr", err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	password := rand.Text()
	log.Printf("chat: open http://%[1]s, or ban ada: curl -X POST http://admin:%[2]s@%[1]s/ban/ada", listener.Addr(), password)
	server := &http.Server{Handler: http.NewCrossOriginProtection().Handler(routes(password)), ReadHeaderTimeout: 5 * time.Second}
	go func() { log.Print("chat: ", server.Serve(listener)); stop() }()
	<-ctx.Done()
	stop() // a second signal ends it at once

	grace, cancel := context.WithTimeout(context.Background(), 8*time.Second)
	defer cancel()
	log.Printf("chat: connections and requests ended (%v)", up.Shutdown(grace, server))
}

func routes(password string) http.Handler {
	metrics := promupgrade.New(up)
	prometheus.MustRegister(metrics)
	up.Observer = upgrade.Observers{upgrade.LogObserver(slog.Default()), metrics} // before the first link

	ws := middleware.For(up)
	r := chi.NewRouter()
	r.With(
		ws.Origin(middleware.SameOrigin),
		ws.Maintenance(&down),
		ws.RateLimit(middleware.RateLimitConfig{Rate: middleware.PerMinute(120), Key: middleware.ByIP}),
		ws.Use(users),
		ws.Use(policy.Named("bans", policy.Func(notBanned))),
		ws.Seats(middleware.SeatsConfig{Max: 3, Key: middleware.BySubject}),
	).Handle("/rooms/{room}", up.Handler(chat))
	r.Post("/login/{user:[a-z]{1,20}}", func(w http.ResponseWriter, r *http.Request) {
		claims := jwt.RegisteredClaims{Subject: r.PathValue("user"), ExpiresAt: jwt.NewNumericDate(time.Now().Add(time.Hour))}
		token, _ := jwt.NewWithClaims(jwt.SigningMethodES256, claims).SignedString(key) // fails for a bad key alone
		w.Write([]byte(token))
	})
	r.Handle("/metrics", promhttp.Handler())
	r.Handle("/wsverdict.js", codes.Script())
	r.Handle("/*", http.FileServerFS(page))

	admin := r.With(chimiddleware.BasicAuth("admin", map[string]string{"admin": password}))
	admin.Post("/ban/{user}", func(_ http.ResponseWriter, r *http.Request) {
		bans.Store(r.PathValue("user"), true) // first, so that a policy refuses whom End does not find
		up.End(banned, 0, policy.Tag{Key: "user", Value: r.PathValue("user")})
	})
	admin.Post("/maintenance", func(http.ResponseWriter, *http.Request) { down.Drain(up, 2*time.Second) })
	admin.Delete("/maintenance", func(http.ResponseWriter, *http.Request) { down.Off() })
	return r
}

func notBanned(r *http.Request) policy.Verdict {
	claims, _ := users.Claims(r)
	if _, ok := bans.Load(claims.Subject); ok {
		return banned
	}
	return policy.Allow().WithTag("room", r.PathValue("room"))
}

func chat(r *http.Request) (upgrade.Session, error) {
	claims, _ := users.Claims(r)
	user, room := claims.Subject, r.PathValue("room")
	return func(ctx context.Context, c *upgrade.Conn) error {
		for {
			typ, text, err := c.Read(ctx, nil)
			if err != nil || typ != upgrade.Text {
				return err
			}
			line, err := upgrade.Prepare(upgrade.Text, []byte(user+": "+string(text)))
			if err != nil {
				return err
			}
			up.Broadcast(line, policy.Tag{Key: "room", Value: room}) // who reads too slowly is closed, and holds up nobody
		}
	}, nil
}
