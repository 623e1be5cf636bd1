package storm

import (
	"context"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/golang-jwt/jwt/v5"

	"github.com/wsverdict/wsverdict/middleware"
	"github.com/wsverdict/wsverdict/upgrade"
)

var (
	ours        = library{name: "wsverdict", dials: obedient, make: func(c checks) (server, error) { return wsverdict(c, 0) }}
	remembering = library{name: "wsverdict, tokens remembered", dials: obedient, make: func(c checks) (server, error) { return wsverdict(c, 10_000) }}
)

func wsverdict(c checks, remember int) (server, error) {
	users, err := middleware.NewJWT(middleware.JWTConfig[jwt.RegisteredClaims]{
		Keys:     middleware.StaticKey(c.key),
		Methods:  []string{c.alg},
		Tag:      "user",
		Remember: remember,
	})
	if err != nil {
		return server{}, err
	}
	down := &middleware.Switch{}
	if c.maintenance {
		down.On()
	}
	up := &upgrade.Upgrader{}
	ws := middleware.For(up)
	r := chi.NewRouter()
	r.With(
		ws.Origin(middleware.SameOrigin),
		ws.Maintenance(down),
		ws.RateLimit(middleware.RateLimitConfig{Rate: middleware.Rate{Requests: c.requests, Per: time.Hour}}),
		ws.Use(users),
	).Get("/ws/rooms/{room}", up.Handler(func(*http.Request) (upgrade.Session, error) { return reads, nil }).ServeHTTP)
	return server{r, func(ctx context.Context) { up.Shutdown(ctx) }}, nil
}

func reads(ctx context.Context, c *upgrade.Conn) error {
	for {
		if _, _, err := c.Read(ctx, nil); err != nil {
			return err
		}
	}
}
