package handshake

import (
	"net/http"
	"strings"
)

// AppendSwitching appends the 101 that accepts a handshake with this key (RFC 6455 §4.2.2), with the
// chosen subprotocol, if there is one, and the fields that outer middlewares have set.
func AppendSwitching(dst []byte, key, subprotocol string, outer http.Header) []byte {
	dst = append(dst, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "...)
	dst = acceptKey(dst, key)
	dst = append(dst, "\r\n"...)
	if subprotocol != "" {
		dst = appendField(dst, "Sec-WebSocket-Protocol", subprotocol)
	}
	connection := outer["Connection"] // names further hop-by-hop fields
	for name, values := range outer {
		if !allowed(name, connection) {
			continue
		}
		for _, value := range values {
			if validValue(value) {
				dst = appendField(dst, name, value)
			}
		}
	}
	return append(dst, "\r\n"...)
}

// allowed reports whether a field that an outer middleware has set goes with an acceptance.
func allowed(name string, connection []string) bool {
	return IsToken(name) && !ours(name) && (len(connection) == 0 || !HasToken(connection, name))
}

func appendField(dst []byte, name, value string) []byte {
	dst = append(append(dst, name...), ": "...)
	return append(append(dst, value...), "\r\n"...)
}

// ours reports whether a field is not for others to set on an acceptance: the handshake's own, hop-by-hop
// ones, and those that describe content, of which there is none.
func ours(name string) bool {
	switch name[0] | 0x20 { // most names are told apart by their first letter
	case 'c':
		return strings.EqualFold(name, "Connection") || hasPrefixFold(name, "Content-")
	case 'k':
		return strings.EqualFold(name, "Keep-Alive")
	case 'p':
		return hasPrefixFold(name, "Proxy-")
	case 's':
		return hasPrefixFold(name, "Sec-WebSocket-")
	case 't':
		return strings.EqualFold(name, "Te") || strings.EqualFold(name, "Trailer") || strings.EqualFold(name, "Transfer-Encoding")
	case 'u':
		return strings.EqualFold(name, "Upgrade")
	}
	return false
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

// validValue refuses what could end a field (CR, LF) and every other control character but the tab
// (RFC 9110 §5.5).
func validValue(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}
