// Package reference has the standards once more, by the standard library's means and written for
// reading: tests compare the library with it. Nothing else imports it.
package reference

import (
	"encoding/base64"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/wsverdict/wsverdict/upgrade/internal/origin"
)

var (
	listToken = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$") // RFC 9110 §5.6.2
	listSpace = regexp.MustCompile(`^[ \t]*|[ \t]*$`)
	hostName  = regexp.MustCompile(`^[a-z0-9_-]+(\.[a-z0-9_-]+)*$`)
)

// Tokens reads a list over several lines as if it were one (RFC 9110 §5.3), up to its end or to
// what is no token.
func Tokens(lines []string) (list []string, whole bool) {
	for element := range strings.SplitSeq(strings.Join(lines, ","), ",") {
		element = listSpace.ReplaceAllString(element, "")
		switch {
		case element == "":
		case !listToken.MatchString(element) || strings.HasSuffix(element, "\n"):
			return list, false
		default:
			list = append(list, element)
		}
	}
	return list, true
}

// Handshake is RFC 6455 §4.2.1 over HTTP/1.1, and RFC 8441 §4 and §5 over HTTP/2, as net/http has
// requests.
func Handshake(r *http.Request) bool {
	has := func(name, token string) bool {
		list, _ := Tokens(r.Header.Values(name))
		return slices.ContainsFunc(list, func(t string) bool { return strings.EqualFold(t, token) })
	}
	one := func(name string) string {
		if values := r.Header.Values(name); len(values) == 1 {
			return values[0]
		}
		return ""
	}
	if one("Sec-WebSocket-Version") != "13" || r.Host == "" || len(r.TransferEncoding) > 0 {
		return false
	}
	if r.ProtoMajor == 2 {
		const open = -1
		return r.Method == "CONNECT" && one(":protocol") == "websocket" && r.ContentLength == open &&
			len(r.Header.Values("Content-Length")) == 0
	}
	key, err := base64.StdEncoding.DecodeString(one("Sec-WebSocket-Key"))
	return r.ProtoMajor == 1 && r.ProtoMinor >= 1 && r.Method == "GET" && r.ContentLength == 0 &&
		has("Connection", "upgrade") && has("Upgrade", "websocket") && err == nil && len(key) == 16
}

// ParseOrigin is origin.Parse.
func ParseOrigin(s string) (o origin.Origin, ok bool) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme == "" || u.Host == "" || s != s[:len(u.Scheme)]+"://"+u.Host {
		return o, false
	}
	o = origin.Origin{Scheme: u.Scheme, Host: strings.ToLower(u.Hostname())}
	if strings.HasPrefix(u.Host, "[") {
		addr, err := netip.ParseAddr(o.Host)
		if err != nil || !addr.Is6() || addr.Zone() != "" {
			return o, false
		}
		o.Host = "[" + addr.String() + "]"
	} else {
		o.Host = strings.TrimSuffix(o.Host, ".")
		if !hostName.MatchString(o.Host) || len(o.Host) > 253 {
			return o, false
		}
	}
	o.Port = map[string]uint16{"http": 80, "ws": 80, "https": 443, "wss": 443}[o.Scheme]
	if _, port, written := strings.Cut(u.Host[strings.LastIndex(u.Host, "]")+1:], ":"); written {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 || len(port) > 5 {
			return o, false
		}
		o.Port = uint16(n)
	}
	return o, true
}

// SameOrigin compares an Origin with a Host, as the library does where no names are given.
func SameOrigin(value, host string) bool {
	o, ok := ParseOrigin(value)
	h, ok2 := ParseOrigin(o.Scheme + "://" + host)
	return ok && ok2 && o == h && (o.Scheme == "http" || o.Scheme == "https")
}
