package upgrade

import (
	"errors"
	"net/http"
	"net/netip"
	"strings"
)

// An Origin is the normal form of a tuple origin (RFC 6454 §4): scheme and host in lower case, an IPv6 literal in brackets and in its
// canonical spelling, one trailing dot removed, punycode as it was sent. Port is the scheme's default where none was
// written (80 for http and ws, 443 for https and wss, 0 for schemes without one). Origins compare with ==.
type Origin struct {
	Scheme string
	Host   string
	Port   uint16
}

var errOrigin = errors.New(`want scheme "://" host [ ":" port ] and nothing else, as in https://app.example.com`)

// ParseOrigin parses an origin as browsers serialise it. What is not exactly scheme, host and optional port is an
// error: a path, a userinfo, white space, "null", an empty string. A string already in normal form is parsed without
// allocation.
func ParseOrigin(s string) (Origin, error) {
	scheme, authority, ok := strings.Cut(s, "://")
	if !ok || !validScheme(scheme) {
		return Origin{}, errOrigin
	}
	host, port, ok := parseAuthority(authority)
	if !ok {
		return Origin{}, errOrigin
	}
	o := Origin{Scheme: strings.ToLower(scheme), Host: host, Port: port}
	if o.Port == 0 {
		o.Port = defaultPort(o.Scheme)
	}
	return o, nil
}

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

// parseAuthority normalises host [ ":" port ]. Port 0 means that none was written; writing ":0" is malformed.
func parseAuthority(s string) (host string, port uint16, ok bool) {
	rest := ""
	if strings.HasPrefix(s, "[") {
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return "", 0, false
		}
		host, rest = s[:end+1], s[end+1:]
		if host, ok = normalIPv6(host); !ok {
			return "", 0, false
		}
	} else {
		host = s
		if colon := strings.IndexByte(s, ':'); colon >= 0 {
			host, rest = s[:colon], s[colon:]
		}
		if host, ok = normalName(host); !ok {
			return "", 0, false
		}
	}
	if rest == "" {
		return host, 0, true
	}
	port, ok = parsePort(rest[1:])
	return host, port, ok && rest[0] == ':'
}

func normalIPv6(bracketed string) (string, bool) {
	addr, err := netip.ParseAddr(bracketed[1 : len(bracketed)-1])
	if err != nil || !addr.Is6() || addr.Zone() != "" {
		return "", false
	}
	var buf [48]byte
	canonical := append(addr.AppendTo(append(buf[:0], '[')), ']')
	if string(canonical) == bracketed {
		return bracketed, true
	}
	return string(canonical), true
}

func normalName(s string) (string, bool) {
	s = strings.TrimSuffix(s, ".")
	if s == "" || len(s) > 253 || s[0] == '.' || s[len(s)-1] == '.' || strings.Contains(s, "..") {
		return "", false
	}
	for i := range len(s) {
		if c := s[i]; !isAlpha(c) && !isDigit(c) && c != '-' && c != '.' && c != '_' {
			return "", false
		}
	}
	return strings.ToLower(s), true
}

func parsePort(s string) (uint16, bool) {
	if s == "" || len(s) > 5 {
		return 0, false
	}
	n := 0
	for i := range len(s) {
		if !isDigit(s[i]) {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return uint16(n), n > 0 && n <= 65535
}

func isAlpha(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// An originHeader is what a request's Origin field says. Browsers send exactly one with every WebSocket handshake.
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

// sameOrigin compares an Origin with the Host that the request was sent to. The scheme is not compared: TLS often ends before
// this server. It only gives the Host its default port.
func (c *config) sameOrigin(o Origin, r *http.Request) bool {
	if o.Scheme != "http" && o.Scheme != "https" {
		return false
	}
	host, port, ok := parseAuthority(r.Host)
	if port == 0 {
		port = defaultPort(o.Scheme)
	}
	return ok && host == o.Host && port == o.Port && c.answersTo(host, port)
}

// sameText finds most same-origin requests without parsing: browsers write both fields alike. It is sameOrigin for those it
// finds; no browser can be made to write one of them so that it says something else.
func (c *config) sameText(origin, host string) bool {
	if len(c.hosts) > 0 || host == "" {
		return false
	}
	rest, ok := strings.CutPrefix(origin, "https://")
	if !ok {
		rest, ok = strings.CutPrefix(origin, "http://")
	}
	return ok && rest == host
}

// answersTo reports whether Hosts, if given, has the name that the request was sent to.
func (c *config) answersTo(host string, port uint16) bool {
	if len(c.hosts) == 0 {
		return true
	}
	for _, h := range c.hosts {
		if h.host == host && (h.port == 0 || h.port == port) {
			return true
		}
	}
	return false
}

// A pass is what links of one Upgrader tell each other by direct call: the Origin value that an Origin link let pass.
type pass struct {
	origin string
	since  uint64 // how many Ends there had been when the first of them was entered, and 1; 0 for not known
}

// A vetted carries a pass where no direct call can: through a router or a foreign middleware.
type vetted struct {
	upgrader *Upgrader
	origin   string
}

type vettedKey struct{}

// vetted says whether r may be upgraded at all, if only to be closed. It compares the value that is there now: a
// middleware that rewrote the header after an Origin link let another value pass has vetted nothing.
func (c *config) vetted(r *http.Request, p pass) bool {
	origin := originOf(r)
	switch {
	case origin.lines == 0:
		return true
	case origin.lines > 1 || origin.value == "":
		return false
	case c.insecureAnyOrigin:
		return true
	case p.origin == origin.value:
		return true
	}
	if c.sameText(origin.value, r.Host) {
		return true
	}
	if o, err := ParseOrigin(origin.value); err == nil && c.sameOrigin(o, r) {
		return true
	}
	for v, _ := r.Context().Value(vettedKey{}).(*vettedContext); v != nil; v = v.outer {
		if v.upgrader == c.upgrader && v.origin == origin.value {
			return true
		}
	}
	return false
}
