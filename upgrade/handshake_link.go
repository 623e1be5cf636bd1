package upgrade

import (
	"errors"
	"net/http"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
)

// A link is one policy in a chain. Only this package makes links and endpoints, and they are
// recognised by their concrete type: nothing that embeds one stands in its place.
type link struct {
	*config
	kind   kind
	name   string
	policy policy.Policy

	next     http.Handler
	link     *link     // next, when it is a link of the same Upgrader: called directly
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

func (l *link) serve(w http.ResponseWriter, r *http.Request, p pass) {
	start := l.now()
	since := l.since(p)
	var v policy.Verdict
	if l.kind == originCheck {
		v, p = l.judgeOrigin(r)
	} else {
		v = policy.Ask(l.policy, r) // a panic further down the chain is not ours
	}
	p.since = since
	switch {
	case l.kind == shadow:
		l.observe(Event{Kind: Shadowed, Request: r, Policy: l.reportName(&v), Verdict: v, Duration: l.elapsed(start)})
		v = policy.Allow() // and whatever it brought stays here
	case !v.Allowed():
		d := denial{verdict: v, policy: l.reportName(&v), start: start}
		if l.kind == originCheck && v.Code() == codes.Forbidden { // and not a panic
			d.why = WhyOrigin
		}
		l.settle(w, r, p, &d)
		return
	}
	carried := v.Brings()
	if carried {
		r = r.WithContext(&newBrought(r.Context(), l, p, v).linkContext)
	}
	l.forward(w, r, p, carried)
}

func (l *link) reportName(v *policy.Verdict) string {
	if name := v.Policy(); name != "" {
		return name
	}
	return l.name
}

// forward hands the pass on: by direct call to a neighbour, in the context to anybody else. It
// allocates for the latter, so only for what asks for an upgrade; nobody else's pass is ever looked
// at.
func (l *link) forward(w http.ResponseWriter, r *http.Request, p pass, carried bool) {
	switch {
	case l.link != nil:
		l.link.serve(w, r, p)
	case l.endpoint != nil:
		l.endpoint.serve(w, r, p)
	case carried || len(r.Header["Upgrade"]) == 0 || l.carries(r.Context(), p):
		l.next.ServeHTTP(w, r)
	default:
		l.next.ServeHTTP(w, r.WithContext(newCarrier(r.Context(), l, p)))
	}
}

var panicked = policy.Close(codes.InternalServerError, "internal_error")
