package handshake

import "net/http"

// IsExtendedConnect reports whether r is a CONNECT with a protocol (RFC 8441 §4). net/http's server
// has the pseudo-header field among the others, under a name that no field can have.
func IsExtendedConnect(r *http.Request) bool {
	return r.ProtoMajor > 1 && r.Method == http.MethodConnect && len(r.Header[":protocol"]) > 0
}

// IsConnect reports whether r is a WebSocket handshake over HTTP/2, valid or not.
func IsConnect(r *http.Request) bool {
	return IsExtendedConnect(r) && r.Header[":protocol"][0] == "websocket"
}

// Asks reports whether r asks for a protocol, and so may become a connection: nobody else's pass is
// ever looked at.
func Asks(r *http.Request) bool { return len(r.Header["Upgrade"]) > 0 || IsExtendedConnect(r) }

// checkConnect is Check over HTTP/2 (RFC 8441 §5): the opening handshake of RFC 6455 without the
// fields that bind it to HTTP/1.1. Key and Accept are not looked at.
func checkConnect(r *http.Request) Fault {
	switch {
	case !IsExtendedConnect(r):
		return HTTPVersion
	case !IsConnect(r):
		return Protocol
	}
	if version := r.Header["Sec-Websocket-Version"]; len(version) != 1 || version[0] != "13" {
		return StreamVersion
	}
	switch {
	case len(r.Header["Content-Length"]) > 0, len(r.TransferEncoding) > 0: // a CONNECT has no content (RFC 9110 §9.3.6)
		return Body
	case r.ContentLength != -1: // END_STREAM with the request: -1 is a stream that is open
		return StreamEnded
	case r.Host == "":
		return Host
	}
	return None
}

// SetConnected makes h, what outer middlewares have set, the header of the 200 that accepts an
// extended CONNECT with the chosen subprotocol, if there is one.
func SetConnected(h http.Header, subprotocol string) {
	connection := h["Connection"]
	for name := range h {
		if !allowed(name, connection) {
			delete(h, name)
		}
	}
	h["Content-Type"] = nil // else net/http guesses one from the first frame
	if subprotocol != "" {
		h["Sec-Websocket-Protocol"] = []string{subprotocol}
	}
}

// DeleteHopByHop takes out what HTTP/2 has no place for (RFC 9113 §8.2.2): clients treat a response
// with such a field as malformed.
func DeleteHopByHop(h http.Header) {
	for _, name := range [...]string{"Connection", "Keep-Alive", "Proxy-Connection", "Transfer-Encoding", "Upgrade"} {
		delete(h, name)
	}
}
