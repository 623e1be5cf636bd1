package upgrade

import (
	"errors"
	"net/http"
	"runtime/debug"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
)

// An OriginCheck says which Origins an Origin link lets pass. The zero value lets none pass.
type OriginCheck struct {
	// Match reports whether o may pass. It is called concurrently. Package middleware has patterns
	// for it.
	Match func(o Origin) bool

	// SameOrigin lets the server's own origin pass (see [Upgrader.Hosts]).
	SameOrigin bool

	// InsecureNull lets the opaque origin "null" pass. Any site can send it, from a sandboxed iframe.
	InsecureNull bool

	// RequireOrigin refuses requests without an Origin field. By default they pass: only browsers
	// carry somebody else's cookies, and browsers always send one.
	RequireOrigin bool
}

// Origin mounts the Origin check against cross-site WebSocket hijacking. Its denial is a 403 before
// any upgrade, always. It must be the first link of its chain; directly behind another link it
// panics when mounted.
//
// On an ordinary request the check holds as well: browsers send Origin with cross-origin fetches
// and with every POST.
//
// It panics when u's fields are wrong and when nothing could ever pass.
func (u *Upgrader) Origin(check OriginCheck) func(http.Handler) http.Handler {
	c := u.mounted()
	if check.Match == nil && !check.SameOrigin && !check.InsecureNull {
		panic("upgrade: Origin: no origin could pass")
	}
	proto := link{config: c, kind: originCheck, name: "origin", policy: originPolicy{check}}
	return proto.before
}

// originPolicy holds the check in its link; it is judged by judgeOrigin, which also gives the pass.
type originPolicy struct{ OriginCheck }

func (originPolicy) Judge(*http.Request) policy.Verdict { return policy.Verdict{} }

var (
	refuseOrigin = policy.Reject(codes.Forbidden, "origin_not_allowed").
			WithDetail("This origin may not connect.")

	errOriginLines   = errors.New("upgrade: several Origin header lines")
	errOriginMissing = errors.New("upgrade: no Origin header")
	errOriginUnknown = errors.New("upgrade: Origin is not among those allowed")
)

// judgeOrigin decides about r's Origin, and returns the value that it let pass.
func (l *link) judgeOrigin(r *http.Request) (v policy.Verdict, vetted string) {
	returned := false
	defer func() {
		if !returned { // Match panicked
			v, vetted = panicked.Hide().WithCause(&PanicError{Value: recover(), Stack: debug.Stack()}), ""
		}
	}()
	v, vetted = l.checkOrigin(r)
	returned = true
	return v, vetted
}

func (l *link) checkOrigin(r *http.Request) (v policy.Verdict, vetted string) {
	check := l.policy.(originPolicy)
	header := originOf(r)
	switch {
	case header.lines == 0 && !check.RequireOrigin:
		return policy.Allow(), ""
	case header.lines == 0:
		return refuseOrigin.WithCause(errOriginMissing), ""
	case header.lines > 1:
		return refuseOrigin.WithCause(errOriginLines), ""
	case header.value == "null" && check.InsecureNull:
		return policy.Allow(), header.value
	}
	o, err := ParseOrigin(header.value)
	if err != nil {
		return refuseOrigin.WithCause(err), ""
	}
	if check.SameOrigin && l.sameOrigin(o, r) || check.Match != nil && check.Match(o) {
		return policy.Allow(), header.value // Host may be rewritten further in
	}
	return refuseOrigin.WithCause(errOriginUnknown), ""
}
