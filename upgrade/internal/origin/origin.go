// Package origin has origins (RFC 6454) and authorities (RFC 3986 §3.2) in a normal form, in which they
// compare.
package origin

import (
	"errors"
	"strings"
)

// An Origin is the normal form of a tuple origin (RFC 6454 §4): scheme and host in lower case, an IPv6
// literal in brackets and in its canonical spelling, one trailing dot removed, punycode as it was sent.
// Port is the scheme's default where none was written (80 for http and ws, 443 for https and wss, 0 for
// schemes without one). Origins compare with ==.
type Origin struct {
	Scheme string
	Host   string
	Port   uint16
}

var errOrigin = errors.New(`want scheme "://" host [ ":" port ] and nothing else, as in https://app.example.com`)

// Parse parses an origin as browsers serialise it. What is not exactly scheme, host and optional
// port is an error: a path, a userinfo, white space, "null", an empty string. A string already in
// normal form is parsed without allocation.
func Parse(s string) (Origin, error) {
	scheme, authority, ok := strings.Cut(s, "://")
	switch {
	case !ok:
		return Origin{}, errOrigin
	case scheme == "https": // most are
	case !validScheme(scheme):
		return Origin{}, errOrigin
	default:
		scheme = strings.ToLower(scheme)
	}
	at, ok := ParseAuthority(authority)
	if !ok {
		return Origin{}, errOrigin
	}
	o := Origin{Scheme: scheme, Host: at.Host, Port: at.Port}
	if o.Port == 0 {
		o.Port = defaultPort(o.Scheme)
	}
	return o, nil
}

// defaultPort is 0 for schemes without one.
func defaultPort(scheme string) uint16 {
	switch scheme {
	case "http", "ws":
		return 80
	case "https", "wss":
		return 443
	}
	return 0
}

func validScheme(s string) bool {
	if s == "" || !isAlpha(s[0]) {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !isAlpha(c) && !isDigit(c) && c != '+' && c != '-' && c != '.' {
			return false
		}
	}
	return true
}

// SameAs reports whether o is the origin that at, a request's Host, is part of. The scheme is not
// compared: TLS often ends before the server. It only gives the Host its default port.
func (o Origin) SameAs(at Authority) bool {
	if o.Scheme != "http" && o.Scheme != "https" {
		return false
	}
	if at.Port == 0 {
		at.Port = defaultPort(o.Scheme)
	}
	return at.Host == o.Host && at.Port == o.Port
}

// SameText finds most same origins without parsing both: browsers write both fields alike.
func SameText(origin, host string) bool {
	rest, ok := strings.CutPrefix(origin, "https://")
	if !ok {
		rest, ok = strings.CutPrefix(origin, "http://")
	}
	if !ok || rest != host {
		return false
	}
	if isPlain(host) {
		return true
	}
	_, ok = ParseAuthority(host)
	return ok
}

// isPlain finds, in one look, most names that are well-formed: lower case and without a port.
func isPlain(host string) bool {
	label := 0 // bytes of the present one
	for i := range len(host) {
		switch c := host[i]; {
		case 'a' <= c && c <= 'z', isDigit(c), c == '-', c == '_':
			label++
		case c == '.' && label > 0:
			label = 0
		default:
			return false
		}
	}
	return label > 0 && len(host) <= 253
}
