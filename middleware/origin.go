package middleware

import (
	"net/http"
	"strings"

	"github.com/wsverdict/wsverdict/upgrade"
)

// SameOrigin is the pattern for the server's own origin, as [upgrade.Upgrader.Hosts] and the
// request's Host say.
const SameOrigin = "same-origin"

// An OriginConfig says which Origins may connect.
type OriginConfig struct {
	// Patterns are the whole list; the server's own origin is not in it unless it is named (or
	// [SameOrigin] is).
	//
	//	https://app.example.com        exactly this origin; a port that is not written is the scheme's default
	//	https://app.example.com:8443   with a port
	//	https://*.example.com          every subdomain, of any depth; not example.com itself
	Patterns []string

	// PublicSuffix finds patterns under a name where anybody can have one, such as https://*.co.uk
	// or https://*.github.io, which are mistakes. It is the function of that name in
	// golang.org/x/net/publicsuffix, which has the whole list:
	//
	//	PublicSuffix: publicsuffix.PublicSuffix
	//
	// nil knows the common ones alone.
	PublicSuffix func(domain string) (publicSuffix string, icann bool)

	// InsecurePublicSuffixes allows such patterns: whoever takes a name there can then connect with
	// the user's cookies.
	InsecurePublicSuffixes bool

	// InsecureNull lets the Origin "null" pass. Any site can send it, from a sandboxed iframe, so
	// this is as good as no check at all for whoever authenticates by cookie.
	InsecureNull bool

	// RequireOrigin refuses clients that send no Origin. By default they pass: they are no
	// browsers, which always send one, and carry nobody's cookies but their own.
	RequireOrigin bool
}

// Origin mounts the check against cross-site WebSocket hijacking, with the given patterns
// ([OriginConfig]). It must be the first link of its chain. What it denies is a 403 before any
// upgrade, always.
func (c Chain) Origin(patterns ...string) func(http.Handler) http.Handler {
	return c.OriginWith(OriginConfig{Patterns: patterns})
}

// OriginWith is [Chain.Origin] with options.
func (c Chain) OriginWith(cfg OriginConfig) func(http.Handler) http.Handler {
	list, err := parseOrigins(cfg)
	if err != nil {
		panic(err)
	}
	return c.upgrader().Origin(upgrade.OriginCheck{
		Match:         list.match,
		SameOrigin:    list.same,
		InsecureNull:  cfg.InsecureNull,
		RequireOrigin: cfg.RequireOrigin,
	})
}

type originList struct {
	same  bool
	exact map[upgrade.Origin]struct{}
	under []upgrade.Origin // Host is a suffix with its leading dot
}

func (l *originList) match(o upgrade.Origin) bool {
	if _, ok := l.exact[o]; ok {
		return true
	}
	for _, p := range l.under {
		if o.Scheme == p.Scheme && o.Port == p.Port && len(o.Host) > len(p.Host) && strings.HasSuffix(o.Host, p.Host) {
			return true
		}
	}
	return false
}

func parseOrigins(cfg OriginConfig) (*originList, error) {
	l := &originList{exact: map[upgrade.Origin]struct{}{}}
	var wrong mistakes
	if len(cfg.Patterns) == 0 && !cfg.InsecureNull {
		wrong.add("no pattern: nobody could connect from a browser; middleware.SameOrigin is the server's own origin")
	}
	for _, pattern := range cfg.Patterns {
		l.add(&cfg, pattern, &wrong)
	}
	return l, wrong.err("Origin")
}

func (l *originList) add(cfg *OriginConfig, pattern string, wrong *mistakes) {
	switch pattern {
	case SameOrigin:
		l.same = true
		return
	case "null":
		wrong.add(`%q: every site can send it; if you must, OriginConfig.InsecureNull allows it`, pattern)
		return
	case "*":
		wrong.add(`%q: that is no check; Upgrader.InsecureAnyOrigin without an Origin link allows it`, pattern)
		return
	}
	o, wild, err := parsePattern(pattern)
	switch {
	case err != nil:
	case wild && !strings.Contains(o.Host, ".") && o.Host != "localhost":
		err = errTopLevel
	case wild && o.Host != "localhost" && !cfg.InsecurePublicSuffixes && cfg.isPublicSuffix(o.Host):
		err = errSuffix
	case wild:
		o.Host = "." + o.Host
		l.under = append(l.under, o)
	default:
		l.exact[o] = struct{}{}
	}
	if err != nil {
		wrong.add("%q: %w", pattern, err)
	}
}
