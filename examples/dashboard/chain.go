package main

import (
	"embed"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/middleware"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade/otelupgrade"
)

//go:embed index.html style.css dashboard.js
var page embed.FS

// What this application says itself. All else is the library's.
var (
	banned         = policy.Close(codes.Forbidden, "banned")
	wrongTenant    = policy.Close(codes.Forbidden, "wrong_tenant")
	wrongRole      = policy.Close(codes.Forbidden, "wrong_role")
	accountChanged = policy.Close(codes.Conflict, "account_changed").WithAction(codes.Reconnect)
	unknownMessage = policy.Close(codes.BadRequest, "unknown_message")
	badFigure      = policy.Close(codes.BadRequest, "bad_figure")
	tooManyFigures = policy.Close(codes.Conflict, "too_many_figures").WithAction(codes.Stop)
)

// routes are the chains: each line says what is asked, and in which order.
func (d *dashboard) routes() chi.Router {
	ws := middleware.For(d.up)
	var (
		origin      = ws.Origin(middleware.SameOrigin) // first: else another site's page finds out who is signed in
		perAddress  = ws.RateLimit(middleware.RateLimitConfig{Rate: middleware.PerMinute(600), Key: middleware.ByIP})
		identified  = ws.Use(policy.Any(d.users, d.services))
		orTicket    = ws.Use(policy.Any(d.users, d.services, d.tickets)) // not where tickets are minted
		notBanned   = ws.Use(policy.Named("bans", policy.Func(d.notBanned)))
		ofTenant    = ws.Use(policy.Named("tenant", policy.Func(d.ofTenant)))
		maintenance = ws.Maintenance(&d.down, d.only("admin"))
		perTenant   = ws.RateLimit(middleware.RateLimitConfig{
			Rate:    free.handshakes,
			RateFor: func(r *http.Request) (middleware.Rate, bool) { return plans[d.account(r).Tenant].handshakes, true },
			Key: func(r *http.Request) (middleware.Key, bool) {
				return middleware.NewKey("tenant", d.account(r).Tenant), true
			},
		})
		threeSeats = ws.Seats(middleware.SeatsConfig{Max: 3, Key: middleware.BySubject})
	)
	r := chi.NewRouter()
	r.Use(otelupgrade.NewMiddleware("dashboard"))
	r.Route("/t/{tenant}", func(r chi.Router) {
		r.With(origin, perAddress, orTicket, notBanned, ofTenant, maintenance, perTenant, threeSeats).Handle("/ws", d.up.Handler(d.session))
		r = r.With(origin, perAddress, identified, notBanned, ofTenant, maintenance, perTenant)
		r.Handle("/ticket", d.tickets.Handler(d.up))
		r.Handle("/renew", d.users.RenewHandler(d.up, "browser"))
		r.With(ws.Use(d.only("service"))).Put("/figures/{name:[a-z]{1,20}}", d.putFigure)
	})
	r.Route("/admin", func(r chi.Router) {
		r = r.With(origin, perAddress, identified, notBanned, ws.Use(d.only("admin")))
		r.Post("/maintenance", func(http.ResponseWriter, *http.Request) { d.down.Drain(d.up, 2*time.Second) })
		r.Delete("/maintenance", func(http.ResponseWriter, *http.Request) { d.down.Off() })
		r.Delete("/bans/{user}", func(_ http.ResponseWriter, r *http.Request) { d.bans.Delete(r.PathValue("user")) })
		r.Post("/bans/{user}", func(_ http.ResponseWriter, r *http.Request) {
			d.bans.Store(r.PathValue("user"), true) // first, so that the policy refuses whom End does not find
			d.up.End(banned, 0, policy.Tag{Key: "user", Value: r.PathValue("user")})
		})
	})
	r.Handle("/wsverdict/*", codes.Script())
	r.Handle("/*", http.FileServerFS(page))
	return r
}

func (d *dashboard) notBanned(r *http.Request) policy.Verdict {
	subject, _ := policy.Subject(r)
	if _, ok := d.bans.Load(subject); ok {
		return banned
	}
	return policy.Allow()
}

// ofTenant tags the connection, so that the tenant's figures find it. A tenant that there is not
// looks like another's.
func (d *dashboard) ofTenant(r *http.Request) policy.Verdict {
	tenant := d.account(r).Tenant
	if _, ok := plans[tenant]; !ok || tenant != r.PathValue("tenant") {
		return wrongTenant
	}
	return policy.Allow().WithTag("tenant", tenant)
}

func (d *dashboard) only(role string) policy.Policy {
	return policy.Named(role, policy.Func(func(r *http.Request) policy.Verdict {
		if d.account(r).Role != role {
			return wrongRole
		}
		return policy.Allow()
	}))
}
