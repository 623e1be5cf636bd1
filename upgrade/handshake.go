package upgrade

import (
	"crypto/fips140"
	"crypto/sha1"
	"encoding/base64"
	"iter"
	"net/http"
	"strings"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
)

// What can be wrong with a handshake. All are Rejects: who sent this is no browser's WebSocket, or one that would not
// accept a 101.
var (
	refuseHTTPVersion = policy.Reject(4505, "http_version_not_supported").
				WithDetail("This endpoint speaks WebSocket over HTTP/1.1.")
	refuseMethod = policy.Reject(4405, "method_not_allowed").
			WithDetail("A WebSocket handshake is a GET request.").WithHeader("Allow", "GET")
	refuseNoUpgrade = policy.Reject(codes.UpgradeRequired, "upgrade_required").
			WithHeader("Upgrade", "websocket").WithHeader("Connection", "Upgrade")
	refuseVersion = policy.Reject(codes.UpgradeRequired, "websocket_version_not_supported").
			WithDetail("This endpoint speaks version 13 of the WebSocket protocol.").
			WithHeader("Sec-Websocket-Version", "13").
			WithHeader("Upgrade", "websocket").WithHeader("Connection", "Upgrade")
	refuseBody = policy.Reject(codes.BadRequest, "handshake_with_body").
			WithDetail("A WebSocket handshake has no body.")
	refuseHost = policy.Reject(codes.BadRequest, "host_missing").
			WithDetail("A WebSocket handshake names the server in Host.")
	refuseKey = policy.Reject(codes.BadRequest, "websocket_key_invalid").
			WithDetail("Sec-WebSocket-Key must be given once and be 16 bytes in base64.")
	refuseSubprotocols = policy.Reject(codes.BadRequest, "subprotocols_malformed").
				WithDetail("Sec-WebSocket-Protocol must be a list of tokens.")
	refuseNoSubprotocol = policy.Reject(codes.NotAcceptable, "no_common_subprotocol")
)

// A handshake is what a valid one asks for.
type handshake struct {
	key         string
	subprotocol string // chosen; "" if none was offered
}

// checkHandshake is the one predicate that says what a WebSocket handshake is (RFC 6455 §4.2.1). It returns the key,
// or what is wrong.
func checkHandshake(r *http.Request) (key string, refusal *policy.Verdict) {
	switch {
	case r.ProtoMajor > 1:
		return "", &refuseHTTPVersion
	case r.Method != http.MethodGet:
		return "", &refuseMethod
	case r.ProtoMinor < 1, // HTTP/1.0 has no Upgrade (RFC 9110 §7.8)
		!hasToken(r.Header["Connection"], "Upgrade"), !hasToken(r.Header["Upgrade"], "websocket"):
		return "", &refuseNoUpgrade
	}
	if version := r.Header["Sec-Websocket-Version"]; len(version) != 1 || version[0] != "13" {
		return "", &refuseVersion
	}
	// A body's bytes would be taken for frames: by this server, or by a proxy for a second request.
	if r.ContentLength != 0 || len(r.TransferEncoding) > 0 {
		return "", &refuseBody
	}
	if r.Host == "" { // an empty one: without any net/http has answered
		return "", &refuseHost
	}
	keys := r.Header["Sec-Websocket-Key"]
	if len(keys) != 1 || !validKey(keys[0]) {
		return "", &refuseKey
	}
	return keys[0], nil
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

// acceptKey appends the Sec-WebSocket-Accept of key (RFC 6455 §4.2.2). The protocol has SHA-1 there as a checksum, not for
// security, so a process in FIPS mode may use it.
func acceptKey(dst []byte, key string) []byte {
	const guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
	var in [24 + len(guid)]byte
	copy(in[copy(in[:], key):], guid)
	if !fips140.Enforced() {
		sum := sha1.Sum(in[:])
		return base64.StdEncoding.AppendEncode(dst, sum[:])
	}
	fips140.WithoutEnforcement(func() {
		sum := sha1.Sum(in[:])
		dst = base64.StdEncoding.AppendEncode(dst, sum[:])
	})
	return dst
}

// chooseSubprotocol returns the first of the client's subprotocols that is among ours. A client that offered some and gets
// none fails the connection (Chromium does), and whatever code was sent is lost.
func chooseSubprotocol(r *http.Request, ours []string) (chosen string, refusal *policy.Verdict) {
	lines := r.Header["Sec-Websocket-Protocol"]
	if len(lines) == 0 {
		return "", nil
	}
	offered := false
	for token, ok := range tokens(lines) {
		if !ok {
			return "", &refuseSubprotocols
		}
		offered = true
		if chosen != "" {
			continue // but read on: the list must be well-formed
		}
		for _, our := range ours {
			if token == our {
				chosen = our // not a piece of the request
				break
			}
		}
	}
	switch {
	case !offered:
		return "", &refuseSubprotocols
	case chosen == "":
		return "", &refuseNoSubprotocol
	}
	return chosen, nil
}

// Subprotocols yields the elements of the request's Sec-WebSocket-Protocol in the client's order. It ends at the first
// element that is no token.
func Subprotocols(r *http.Request) iter.Seq[string] {
	return func(yield func(string) bool) {
		for token, ok := range tokens(r.Header["Sec-Websocket-Protocol"]) {
			if !ok || !yield(token) {
				return
			}
		}
	}
}

// tokens yields the elements of a comma-separated list of tokens over all its lines (RFC 9110 §5.6.1). Empty elements are passed
// over; at the first malformed element it yields false and ends.
func tokens(lines []string) iter.Seq2[string, bool] {
	return func(yield func(string, bool) bool) {
		for _, line := range lines {
			for more := true; more; {
				var element string
				element, line, more = strings.Cut(line, ",")
				element = strings.Trim(element, " \t")
				if element == "" {
					continue
				}
				if ok := isToken(element); !yield(element, ok) || !ok {
					return
				}
			}
		}
	}
}

// hasToken reports whether the list has the token, in any case. It stops at the first malformed element.
func hasToken(lines []string, token string) bool {
	if len(lines) == 1 && lines[0] == token {
		return true // what browsers send
	}
	for element, ok := range tokens(lines) {
		if ok && strings.EqualFold(element, token) {
			return true
		}
	}
	return false
}

// isToken is RFC 9110 §5.6.2.
func isToken(s string) bool {
	for i := range len(s) {
		if !tokenChars[s[i]] {
			return false
		}
	}
	return s != ""
}

var tokenChars = func() (t [256]bool) {
	for c := byte('0'); c <= 'z'; c++ {
		t[c] = isAlpha(c) || isDigit(c)
	}
	for _, c := range []byte("!#$%&'*+-.^_`|~") {
		t[c] = true
	}
	return t
}()
