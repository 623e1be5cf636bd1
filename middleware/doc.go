// Package middleware has the ready policies, and mounts them in chi routers or anything else that
// takes a func(http.Handler) http.Handler.
//
//	up := &upgrade.Upgrader{}
//	ws := middleware.For(up)
//	r.With(ws.Origin("https://app.example.com"), ws.Use(users)).Handle("/ws", up.Handler(chat))
//
// # Order
//
// Links are asked in the order they are mounted, and the first that denies is the answer. The order
// that holds up under attack is
//
//	Origin        first, always: what it denies must not reach anything that can tell who is logged in.
//	              Directly behind another link it panics when mounted
//	Brake         if wanted: holds back who comes again and again without waiting
//	Maintenance   costs one load; behind JWT only if its bypass looks at claims
//	RateLimit     by IP, before any signature is checked: a forged token costs a verification
//	JWT, API keys authentication, or a ticket; policy.Any for one of them
//	RateLimit     by subject, if wanted (BySubject)
//	your own      authorisation: membership, quotas
//
// Foreign middlewares may stand between any two links; what wraps [net/http.ResponseWriter] must
// offer Unwrap or Hijack. Client addresses behind a proxy come from chi's ClientIPFrom middlewares,
// mounted before RateLimit.
//
// In a link that a router's own Use has mounted, r.PathValue and chi.URLParam are still empty: chi
// has not matched the route yet. A policy that needs them is mounted by With.
//
// A chi router that has a NotFound handler and no route at all skips what its Use has mounted: give
// the handler its links by With.
//
// Every policy exists as a value first ([NewJWT], [NewAPIKeys], [NewTickets], [NewRateLimit],
// [NewSeats], [NewMaintenance]), which [Chain.Use] mounts and policy.Any, policy.When and
// policy.Named combine. Origin is mounted by [Chain.Origin] alone: it is not a term of an "or".
//
// All mistakes in a configuration are reported together: as the error of a New function, as a panic
// of a mounting method.
package middleware
