package middleware

import (
	"errors"
	"net/netip"
	"strings"

	"github.com/wsverdict/wsverdict/upgrade"
)

var (
	errWildcard  = errors.New("a wildcard is the whole first label, as in https://*.example.com")
	errAddress   = errors.New("an address has no subdomains")
	errTopLevel  = errors.New("that is a whole top-level domain")
	errSuffix    = errors.New("anybody can have a name under this one; if you must, OriginConfig.InsecurePublicSuffixes allows it")
	errWebSocket = errors.New("an Origin is that of the page: write https:// for wss://, http:// for ws://")
	errOpaque    = errors.New(`pages of this scheme send the Origin "null"`)
	errNumber    = errors.New("no browser sends this: a host that ends in a number is an IPv4 address, and is sent as four decimal numbers")
	errPunycode  = errors.New("no browser sends this: a label that begins with xn-- is punycode (RFC 3492)")
)

// parsePattern parses a pattern that is a tuple of scheme, host and port. A wild one has the host
// behind the wildcard.
func parsePattern(pattern string) (o upgrade.Origin, wild bool, err error) {
	scheme, rest, _ := strings.Cut(pattern, "://")
	base, wild := strings.CutPrefix(rest, "*.")
	o, err = upgrade.ParseOrigin(scheme + "://" + base)
	switch {
	case err != nil && strings.Contains(base, "*"):
		return o, wild, errWildcard
	case err != nil:
		return o, wild, err
	}
	return o, wild, sendable(o, wild)
}

// sendable finds patterns that match nothing, because browsers write every origin in one way
// (WHATWG URL §3.5 and §4.7, HTML "serialization of an origin").
func sendable(o upgrade.Origin, wild bool) error {
	switch o.Scheme {
	case "ws", "wss":
		return errWebSocket
	case "file", "data", "blob", "javascript", "about":
		return errOpaque
	case "http", "https":
	default:
		return nil // an application's own scheme, whose host means what the application likes
	}
	if isAddress(o.Host) {
		if wild {
			return errAddress
		}
		return nil
	}
	if last := o.Host[strings.LastIndexByte(o.Host, '.')+1:]; isNumber(last) {
		return errNumber
	}
	for label := range strings.SplitSeq(o.Host, ".") {
		if strings.HasPrefix(label, "xn--") && !validPunycode(label[len("xn--"):]) {
			return errPunycode
		}
	}
	return nil
}

func isAddress(host string) bool {
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil
}

// isNumber is what makes a URL's host an IPv4 address: a last label of digits, or of hexadecimal
// ones behind 0x.
func isNumber(label string) bool {
	if hex, ok := strings.CutPrefix(label, "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return strings.Trim(label, "0123456789") == ""
}

// validPunycode decodes s as RFC 3492 §6.2 has it, and asks whether a character outside ASCII comes
// out, which is in its place there. Whether such a name could be registered is not asked.
func validPunycode(s string) bool {
	const base, tmin, tmax, skew, damp = 36, 1, 26, 38, 700
	n, bias, length := 128, 72, 0
	if i := strings.LastIndexByte(s, '-'); i >= 0 {
		length = i
		s = s[i+1:]
	}
	if s == "" {
		return false
	}
	i := 0
	for s != "" {
		start := i
		for k, weight := base, 1; ; k += base {
			if s == "" {
				return false
			}
			digit := strings.IndexByte("abcdefghijklmnopqrstuvwxyz0123456789", s[0])
			s = s[1:]
			if digit < 0 || weight > 1<<26 {
				return false
			}
			i += digit * weight
			t := min(max(k-bias, tmin), tmax)
			if digit < t {
				break
			}
			weight *= base - t
		}
		length++
		delta := (i - start) / 2
		if start == 0 {
			delta = (i - start) / damp
		}
		delta += delta / length
		steps := 0
		for ; delta > (base-tmin)*tmax/2; steps += base {
			delta /= base - tmin
		}
		bias = steps + (base-tmin+1)*delta/(delta+skew)
		n += i / length
		i = i%length + 1
		if n > 0x10FFFF || n >= 0xD800 && n < 0xE000 {
			return false
		}
	}
	return true
}
