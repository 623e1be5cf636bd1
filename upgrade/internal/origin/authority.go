package origin

import (
	"net/netip"
	"strings"
)

// An Authority is a host in normal form (see [Origin]) with a port; 0 where none was written.
type Authority struct {
	Host string
	Port uint16
}

// ParseAuthority normalises host [ ":" port ], as it stands in a Host field. Writing ":0" is malformed.
func ParseAuthority(s string) (at Authority, ok bool) {
	var host, rest string
	if strings.HasPrefix(s, "[") {
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return Authority{}, false
		}
		host, rest = s[:end+1], s[end+1:]
		if host, ok = normalIPv6(host); !ok {
			return Authority{}, false
		}
	} else {
		host = s
		if colon := strings.IndexByte(s, ':'); colon >= 0 {
			host, rest = s[:colon], s[colon:]
		}
		if host, ok = normalName(host); !ok {
			return Authority{}, false
		}
	}
	if rest == "" {
		return Authority{Host: host}, true
	}
	port, ok := parsePort(rest[1:])
	return Authority{host, port}, ok && rest[0] == ':'
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
	if isPlain(s) {
		return s, true
	}
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
