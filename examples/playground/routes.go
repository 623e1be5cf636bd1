package main

import (
	"net/http"
	"slices"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/golang-jwt/jwt/v5"
	"github.com/golang-jwt/jwt/v5/request"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/middleware"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

type playground struct {
	tokens  *tokens
	reports *hub
	users   *middleware.JWT[AppClaims]
	up      *upgrade.Upgrader
	second  *second
	down    *middleware.Switch
}

func newPlayground(t *tokens, reports *hub) *playground {
	p := &playground{
		tokens:  t,
		reports: reports,
		users: middleware.MustJWT(middleware.JWTConfig[AppClaims]{
			Keys:     middleware.FromKeyfunc(t.keyfunc),
			Methods:  []string{jwt.SigningMethodES256.Alg()},
			From:     []request.Extractor{middleware.Bearer, middleware.Subprotocol("bearer")},
			Issuer:   issuer,
			Audience: []string{audience},
			Realm:    "playground",
			Tag:      "user",
		}),
		up:   newUpgrader(reports),
		down: &middleware.Switch{},
	}
	p.down.On()
	p.second = newSecond(func() instance {
		up := newUpgrader(reports)
		ws := middleware.For(up)
		r := chi.NewRouter()
		r.With(ws.Origin(middleware.SameOrigin), ws.Use(p.users), ws.Use(policy.Func(tagRun))).Handle("/ws/second/{room}", up.Handler(echo))
		return instance{up, r}
	})
	return p
}

func (p *playground) routes() http.Handler {
	r := chi.NewRouter()
	r.Use(recordRun)
	r.Route("/ws/close", func(r chi.Router) { p.sockets(r, asIs) })
	r.Route("/ws/status", func(r chi.Router) { p.sockets(r, hide) })
	r.Handle("/ws/second/*", p.second)
	r.Route("/live", p.live)
	r.Post("/wrong-version", p.sendWrongVersion)
	r.Get("/events", p.reports.stream)
	p.pages(r)
	return r
}

// sockets mounts every endpoint with the same policies twice: as they are, and hidden, which turns each close frame into
// the plain HTTP status that servers send otherwise.
func (p *playground) sockets(r chi.Router, form func(policy.Policy) policy.Policy) {
	ws := middleware.For(p.up)
	limit, err := middleware.NewRateLimit(middleware.RateLimitConfig{Rate: middleware.Rate{Requests: 1, Per: 30 * time.Second}, Key: byVisitor})
	if err != nil {
		panic(err)
	}
	var (
		origin      = ws.Origin(middleware.SameOrigin) // under whatever name; a server that has one lists it
		maintenance = ws.Use(form(middleware.NewMaintenance(p.down)))
		rateLimit   = ws.Use(form(limit))
		token       = ws.Use(form(p.users))
		members     = ws.Use(form(policy.Named("members_only", policy.Func(p.membersOnly))))
		run         = ws.Use(policy.Func(tagRun))
		room        = p.up.Handler(echo)
	)
	r.With(origin, token, members, run).Handle("/rooms/{room}", room)
	r.With(origin, rateLimit, token, members).Handle("/limited/{room}", room)
	r.With(origin, maintenance, token, members).Handle("/maintenance/{room}", room)
}

// membersOnly is a policy of this application's own.
func (p *playground) membersOnly(r *http.Request) policy.Verdict {
	claims, ok := p.users.Claims(r)
	if !ok || !slices.Contains(claims.Rooms, r.PathValue("room")) {
		return policy.Close(codes.Forbidden, "not_a_member")
	}
	return policy.Allow()
}

// byVisitor gives each press of a button a bucket of its own, so that the second press shows what the first did. Never let
// clients choose their bucket like this: middleware.ByIP and middleware.BySubject are what servers use.
func byVisitor(r *http.Request) (middleware.Key, bool) {
	visitor := r.URL.Query().Get("visitor")
	return middleware.NewKey("user", visitor), visitor != ""
}

func asIs(p policy.Policy) policy.Policy { return p }

func hide(p policy.Policy) policy.Policy { return hidden{p} }

// hidden is a policy whose denials no script may read. What it wraps is still named in reports and still checks how it
// is mounted.
type hidden struct{ policy.Policy }

func (h hidden) Judge(r *http.Request) policy.Verdict { return h.Policy.Judge(r).Hide() }
func (h hidden) Name() string                         { return policy.NameOf(h.Policy) }
func (h hidden) CheckMount(m policy.Mounting) error   { return policy.CheckMount(h.Policy, m) }
