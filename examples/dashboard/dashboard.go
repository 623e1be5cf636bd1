package main

import (
	"log/slog"
	"net/http"
	"sync"

	"github.com/golang-jwt/jwt/v5/request"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/wsverdict/wsverdict/middleware"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
	"github.com/wsverdict/wsverdict/upgrade/otelupgrade"
	"github.com/wsverdict/wsverdict/upgrade/promupgrade"
)

// A dashboard is the application without its sockets.
type dashboard struct {
	up       *upgrade.Upgrader
	users    *middleware.JWT[Claims]
	services *middleware.APIKeys[Account]
	tickets  *middleware.Tickets
	messages *middleware.RateLimit // inside sessions
	down     middleware.Switch
	bans     sync.Map // of subjects
	metrics  http.Handler

	mu      sync.Mutex                    // guards figures
	figures map[string]map[string]float64 // the last ones, by tenant and name
}

// newDashboard believes an issuer, whose tokens are signed with these keys.
func newDashboard(issuer string, keys middleware.Keys, apiKeys lookup) *dashboard {
	d := &dashboard{
		up:      &upgrade.Upgrader{Subprotocols: []string{"dashboard.v1", "bearer"}, MaxMessageBytes: 16 << 10},
		figures: map[string]map[string]float64{},
	}
	for tenant := range plans {
		d.figures[tenant] = map[string]float64{}
	}
	d.users = middleware.MustJWT(middleware.JWTConfig[Claims]{
		Keys: keys, Methods: []string{"ES256"}, Issuer: issuer, Audience: []string{"dashboard"},
		From:     []request.Extractor{middleware.Bearer, middleware.Subprotocol("bearer"), middleware.Cookie("session")},
		Tag:      "user",
		Tags:     func(c Claims) []policy.Tag { return []policy.Tag{{Key: "browser", Value: c.SignIn}} },
		Remember: 10_000, // who reconnects is not verified again
	})
	d.services = middleware.MustAPIKeys(middleware.APIKeysConfig[Account]{Lookup: apiKeys, Tag: "user"})
	d.tickets = middleware.MustTickets(middleware.TicketsConfig{
		Carry: []middleware.Carrier{d.users, d.services},
		Scope: func(r *http.Request) string { return r.PathValue("tenant") },
	})
	d.messages = middleware.MustRateLimit(middleware.RateLimitConfig{
		Rate: free.messages, Key: middleware.BySubject,
		RateFor: func(r *http.Request) (middleware.Rate, bool) { return plans[d.account(r).Tenant].messages, true },
	})
	registry, metrics := prometheus.NewRegistry(), promupgrade.New(d.up)
	registry.MustRegister(metrics)
	d.metrics = promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
	traces := otelupgrade.Must(otelupgrade.New(otelupgrade.Config{})) // by the global provider
	d.up.SessionContext = traces.SessionContext
	d.up.Observer = upgrade.Observers{traces, upgrade.LogObserver(slog.Default()), metrics} // before the first link
	return d
}
