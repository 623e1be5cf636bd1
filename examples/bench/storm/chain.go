package storm

import (
	"net"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/httprate"
	"github.com/go-chi/jwtauth/v5"
)

// Refusals carry the codes and reasons that this library sends.
const (
	codeExpired, reasonExpired         = 4401, "token_expired;do=refresh"
	codeLimited, reasonLimited         = 4429, "rate_limited;do=backoff;after=3600"
	codeMaintenance, reasonMaintenance = 4503, "maintenance;do=backoff"
)

// An end of a chain of foreign middlewares refuses and admits with one WebSocket library.
type end interface {
	refuse(w http.ResponseWriter, r *http.Request, code uint16, reason string)
	admit(w http.ResponseWriter, r *http.Request)
}

// chained is a server of chi, httprate and jwtauth, with the glue that turns their denials into close frames.
func chained(e end) func(checks) (server, error) {
	return func(c checks) (server, error) {
		r := chi.NewRouter()
		r.With(
			func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if c.maintenance {
						e.refuse(w, r, codeMaintenance, reasonMaintenance)
						return
					}
					next.ServeHTTP(w, r)
				})
			},
			httprate.LimitBy(c.requests, time.Hour, func(r *http.Request) (string, error) { return httprate.CanonicalizeIP(address(r)), nil },
				httprate.WithLimitHandler(func(w http.ResponseWriter, r *http.Request) { e.refuse(w, r, codeLimited, reasonLimited) })),
			jwtauth.Verifier(jwtauth.New(c.alg, nil, c.key)),
			func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if token, _, err := jwtauth.FromContext(r.Context()); err != nil || token == nil {
						e.refuse(w, r, codeExpired, reasonExpired)
						return
					}
					next.ServeHTTP(w, r)
				})
			},
		).Get("/ws/rooms/{room}", e.admit)
		return server{handler: r}, nil
	}
}

func address(r *http.Request) string {
	ip, _, _ := net.SplitHostPort(r.RemoteAddr)
	return ip
}
