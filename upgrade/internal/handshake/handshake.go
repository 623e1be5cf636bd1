// Package handshake says what a WebSocket handshake is, over HTTP/1.1 (RFC 6455 §4.2) and over HTTP/2
// (RFC 8441), and writes the answer that accepts one. It knows requests, header fields and bytes:
// what is done about a fault is for others to decide.
package handshake

import "net/http"

// A Fault is what is wrong with a handshake.
type Fault uint8

const (
	None          Fault = iota
	HTTPVersion         // over HTTP/2 or later, and no extended CONNECT
	Method              // not GET
	NoUpgrade           // it does not ask for WebSocket
	Version             // another version of the protocol than 13
	Body                // it has a body
	Host                // it names no server
	Key                 // Sec-WebSocket-Key is not 16 bytes in base64
	Subprotocols        // Sec-WebSocket-Protocol is no list of tokens
	NoSubprotocol       // none of those offered is spoken here
	Protocol            // an extended CONNECT for another protocol than WebSocket
	StreamVersion       // Version, over HTTP/2
	StreamEnded         // over HTTP/2: the client has ended its side already
	Faults              // how many there are
)

// Check is the one predicate that says what a WebSocket handshake is: an upgrade over HTTP/1.1 (RFC
// 6455 §4.2.1), or an extended CONNECT over HTTP/2. It returns the key, of which the latter has none,
// or the first fault.
func Check(r *http.Request) (key string, fault Fault) {
	switch {
	case r.ProtoMajor > 1:
		return "", checkConnect(r)
	case r.Method != http.MethodGet:
		return "", Method
	case r.ProtoMinor < 1, // HTTP/1.0 has no Upgrade (RFC 9110 §7.8)
		!HasToken(r.Header["Connection"], "Upgrade"), !HasToken(r.Header["Upgrade"], "websocket"):
		return "", NoUpgrade
	}
	if version := r.Header["Sec-Websocket-Version"]; len(version) != 1 || version[0] != "13" {
		return "", Version
	}
	// A body's bytes would be taken for frames: by this server, or by a proxy for a second request.
	if r.ContentLength != 0 || len(r.TransferEncoding) > 0 {
		return "", Body
	}
	if r.Host == "" { // an empty one: without any net/http has answered
		return "", Host
	}
	keys := r.Header["Sec-Websocket-Key"]
	if len(keys) != 1 || !validKey(keys[0]) {
		return "", Key
	}
	return keys[0], None
}

// validKey reports whether key is 16 bytes in base64: 22 digits and the padding.
func validKey(key string) bool {
	if len(key) != 24 || key[22:] != "==" {
		return false
	}
	for i := range 22 {
		if c := key[i]; !isAlpha(c) && !isDigit(c) && c != '+' && c != '/' {
			return false
		}
	}
	return true
}
