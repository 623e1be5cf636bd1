package upgrade

import (
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade/internal/handshake"
)

// A link is one policy in a chain. Only this package makes links and endpoints, and they are
// recognised by their concrete type: nothing that embeds one stands in its place.
type link struct {
	*config
	kind   kind
	name   string
	policy policy.Policy

	next     http.Handler
	link     *link     // next, when it is a link of the same Upgrader
	endpoint *endpoint // next, when it is an endpoint of the same Upgrader
}

type kind uint8

const (
	enforced kind = iota
	shadow
	originCheck
)

// Use mounts p: what p denies is settled by u and goes no further.
//
// It panics when u's fields are wrong, and when p is nil or finds itself mounted wrongly
// ([policy.MountChecker]).
func (u *Upgrader) Use(p policy.Policy) func(http.Handler) http.Handler {
	return u.mount(enforced, p)
}

// Shadow mounts p on trial: it is judged for every request and reported to the Observer, and never
// enforced. What it brings along goes nowhere. It panics as [Upgrader.Use] does.
func (u *Upgrader) Shadow(p policy.Policy) func(http.Handler) http.Handler {
	return u.mount(shadow, p)
}

func (u *Upgrader) mount(k kind, p policy.Policy) func(http.Handler) http.Handler {
	c := u.mounted()
	if err := policy.CheckMount(p, policy.Mounting{Subprotocols: c.subprotocols, Observer: c.observer}); err != nil {
		panic(mistakes("upgrade: a policy cannot be mounted", []error{err}))
	}
	proto := link{config: c, kind: k, name: policy.NameOf(p), policy: p}
	return proto.before
}

var errOriginNotFirst = errors.New("an Origin link stands directly behind another link: mount Origin first, then maintenance, " +
	"rate limit by IP, authentication and your own policies; patterns of two Origin links belong into one")

// before is the middleware: it returns a link in front of next.
func (l link) before(next http.Handler) http.Handler {
	if next == nil {
		panic("upgrade: link before a nil handler")
	}
	l.next = next
	switch n := next.(type) {
	case *link:
		if n.kind == originCheck {
			panic(mistakes("upgrade: order", []error{errOriginNotFirst}))
		}
		if n.config == l.config {
			l.link = n
		}
	case *endpoint:
		if n.config == l.config {
			l.endpoint = n
		}
	}
	return &l
}

// ServeHTTP begins without a pass: who calls it is no link of this Upgrader, and has vetted nothing.
func (l *link) ServeHTTP(w http.ResponseWriter, r *http.Request) { l.serve(w, r, pass{}) }

// serve judges r by this link and by those of the same Upgrader that follow it directly, one after the
// other: a long chain does not deepen the stack, which net/http's goroutines would have to grow.
func (l *link) serve(w http.ResponseWriter, r *http.Request, p pass) {
	p.since = l.since(p)
	for {
		next, carried := l.judge(w, r, &p)
		switch {
		case next == nil: // denied, and answered
			return
		case l.link == nil:
			l.forward(w, next, p, carried) // a panic further down the chain is not ours
			return
		}
		l, r = l.link, next
	}
}

// judge returns the request as the verdict lets it go on, and whether that carries p; nil if it goes
// no further.
func (l *link) judge(w http.ResponseWriter, r *http.Request, p *pass) (next *http.Request, carried bool) {
	start := l.now()
	var v policy.Verdict
	if l.kind == originCheck {
		v, p.origin = l.judgeOrigin(r)
	} else {
		v = policy.Ask(l.policy, r)
	}
	switch {
	case l.kind == shadow: // whatever it brought stays here
		l.shadowed(r, &v, start)
		return r, false
	case !v.Allowed():
		l.deny(w, r, *p, &v, start)
		return nil, false
	case v.Brings():
		return l.bring(r, *p, &v), true
	}
	return r, false
}

// shadowed is not inlined, nor are others that need room for an Event or a denial: it would be on the
// stack of every request.
//
//go:noinline
func (l *link) shadowed(r *http.Request, v *policy.Verdict, start time.Time) {
	l.observe(Event{Kind: Shadowed, Request: r, Policy: l.reportName(v), Verdict: *v, Duration: l.elapsed(start)})
}

func (l *link) deny(w http.ResponseWriter, r *http.Request, p pass, v *policy.Verdict, start time.Time) {
	d := denial{verdict: *v, policy: l.reportName(v), start: start}
	if l.kind == originCheck && v.Code() == codes.Forbidden { // and not a panic
		d.why = WhyOrigin
	}
	l.settle(w, r, p, &d)
}

func (l *link) reportName(v *policy.Verdict) string {
	if name := v.Policy(); name != "" {
		return name
	}
	return l.name
}

// forward hands the pass on: by direct call to an endpoint, in the context to anybody else. It
// allocates for the latter, so only for what asks for an upgrade; nobody else's pass is ever looked
// at.
func (l *link) forward(w http.ResponseWriter, r *http.Request, p pass, carried bool) {
	switch {
	case l.endpoint != nil:
		l.endpoint.serve(w, r, p)
	case carried || !handshake.Asks(r) || l.carries(r.Context(), p):
		l.next.ServeHTTP(w, r)
	default:
		l.next.ServeHTTP(w, l.carry(r, p))
	}
	if r.ProtoMajor > 1 && handshake.IsConnect(r) {
		l.checkRoute(w, r)
	}
}

// checkRoute says once if a router behind the link has a route for GET, and none for CONNECT, which
// is what a handshake over HTTP/2 is.
func (c *config) checkRoute(w http.ResponseWriter, r *http.Request) {
	if handshake.HasToken(w.Header()["Allow"], http.MethodGet) {
		c.warned.Do(func() {
			slog.Default().WarnContext(r.Context(), "wsverdict: a WebSocket over HTTP/2 found a route for GET alone: mount the endpoint with Handle",
				"path", r.URL.Path)
		})
	}
}

var panicked = policy.Close(codes.InternalServerError, "internal_error")
