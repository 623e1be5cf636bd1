package upgrade

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/wsverdict/wsverdict/upgrade/internal/origin"
)

// An Origin is the normal form of a tuple origin (RFC 6454 §4): Scheme and Host, strings in lower case
// (an IPv6 literal in brackets and in its canonical spelling, one trailing dot removed, punycode as it
// was sent), and Port, a uint16: the scheme's default where none was written (80 for http and ws, 443
// for https and wss, 0 for schemes without one). Origins compare with ==.
type Origin = origin.Origin

// ParseOrigin parses an origin as browsers serialise it. What is not exactly scheme, host and
// optional port is an error: a path, a userinfo, white space, "null", an empty string. A string
// already in normal form is parsed without allocation.
func ParseOrigin(s string) (Origin, error) { return origin.Parse(s) }

// An originHeader is what a request's Origin field says. Browsers send exactly one with every
// WebSocket handshake.
type originHeader struct {
	value string // "" when absent
	lines int
}

func originOf(r *http.Request) originHeader {
	lines := r.Header["Origin"]
	if len(lines) == 0 {
		return originHeader{}
	}
	return originHeader{lines[0], len(lines)}
}

// sameOrigin compares an Origin with the Host that the request was sent to (see [Upgrader.Hosts]).
func (c *config) sameOrigin(o Origin, r *http.Request) bool {
	at, ok := origin.ParseAuthority(r.Host)
	return ok && o.SameAs(at) && c.answersTo(o)
}

// answersTo reports whether Hosts, if given, has the name that the request was sent to.
func (c *config) answersTo(o Origin) bool {
	return len(c.hosts) == 0 || slices.ContainsFunc(c.hosts, func(h origin.Authority) bool {
		return h.Host == o.Host && (h.Port == 0 || h.Port == o.Port)
	})
}

// A pass is what links of one Upgrader tell each other, by direct call or in the context.
type pass struct {
	origin string // the value that an Origin link let pass
	since  uint64 // of the first of them (see config.since); 0 for not known
}

// vetted says whether r may be upgraded at all, if only to be closed. It compares the value that is
// there now: a middleware that rewrote the header after an Origin link let another value pass has
// vetted nothing.
func (c *config) vetted(r *http.Request, p pass) bool {
	header := originOf(r)
	switch {
	case header.lines == 0:
		return true
	case header.lines > 1 || header.value == "":
		return false
	case c.insecureAnyOrigin:
		return true
	case p.origin == header.value:
		return true
	}
	if len(c.hosts) == 0 && origin.SameText(header.value, r.Host) {
		return true
	}
	if o, err := ParseOrigin(header.value); err == nil && c.sameOrigin(o, r) {
		return true
	}
	for l := carrier(r.Context()); l != nil; l = l.outer {
		if l.by.config == c && l.pass.origin == header.value {
			return true
		}
	}
	return false
}

// An OriginError says that an Origin is not this server's own, and that no Origin link has let it pass.
type OriginError struct {
	Origin string // as the client sent it
	Host   string // that the request arrived with
}

// Error gives both, shortened: they are the client's. It asks about proxies where Host looks
// rewritten: an address or a short name, which pages are rarely from, or the right name without its
// port.
func (e *OriginError) Error() string {
	text := fmt.Sprintf("upgrade: Origin %.100s, Host %.100s", e.Origin, e.Host)
	if e.looksRewritten() {
		text += ": does a proxy rewrite Host? (docs/proxies.md)"
	}
	return text
}

func (e *OriginError) looksRewritten() bool {
	o, err := ParseOrigin(e.Origin)
	at, ok := origin.ParseAuthority(e.Host)
	if err != nil || !ok {
		return false
	}
	_, notAddress := netip.ParseAddr(strings.Trim(at.Host, "[]"))
	return at.Host == o.Host || notAddress == nil || !strings.Contains(at.Host, ".")
}

// foreignOrigin is the error for r, whose Origin was not vetted.
func foreignOrigin(r *http.Request) error {
	if header := originOf(r); header.lines == 1 {
		return &OriginError{header.value, r.Host}
	}
	return errOriginLines
}
