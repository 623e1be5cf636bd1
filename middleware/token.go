package middleware

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/golang-jwt/jwt/v5/request"

	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

// errAmbiguous is an extractor's word for a request that carries several tokens where one belongs.
var errAmbiguous = errors.New("middleware: several tokens where one belongs")

// Bearer takes the token from the Authorization header (RFC 6750 §2.1). Browser scripts cannot set
// it on a WebSocket; everybody else can.
var Bearer request.Extractor = bearer{}

type bearer struct{}

func (bearer) ExtractToken(r *http.Request) (string, error) {
	lines := r.Header["Authorization"]
	if len(lines) == 0 {
		return "", request.ErrNoTokenInRequest
	}
	if len(lines) > 1 {
		return "", errAmbiguous
	}
	const scheme = "bearer "
	if len(lines[0]) < len(scheme) || !strings.EqualFold(lines[0][:len(scheme)], scheme) {
		return "", request.ErrNoTokenInRequest
	}
	return strings.TrimLeft(lines[0][len(scheme):], " "), nil
}

// Subprotocol takes the token from Sec-WebSocket-Protocol: it is the element behind the marker.
// This is what a browser script can set:
//
//	new WebSocket(url, ["chat.v1", "bearer", token])
//
// The marker must be among the Upgrader's Subprotocols, or browsers that offer nothing else would
// be refused: mounting a [JWT] checks it, and a policy of your own that embeds [TokenSources]. The
// token is never echoed. A JWT consists of characters that are allowed there. Several tokens behind
// several markers are refused as malformed.
func Subprotocol(marker string) request.Extractor { return subprotocol(marker) }

type subprotocol string

func (marker subprotocol) ExtractToken(r *http.Request) (string, error) {
	token, tokens, behind := "", 0, false
	for element := range upgrade.Subprotocols(r) {
		if behind {
			token, behind = element, false
			tokens++
		} else {
			behind = element == string(marker)
		}
	}
	switch tokens {
	case 0:
		return "", request.ErrNoTokenInRequest
	case 1:
		return token, nil
	}
	return "", errAmbiguous
}

func (marker subprotocol) CheckMount(m policy.Mounting) error {
	if slices.Contains(m.Subprotocols, string(marker)) {
		return nil
	}
	return fmt.Errorf("token from subprotocol %q: add it to Upgrader.Subprotocols (%q), or a browser that offers only it and the token is refused",
		string(marker), m.Subprotocols)
}

// Cookie takes the token from a cookie. Browsers send cookies from any site's pages: the Origin
// check is what protects this one. A request with several cookies of the name is refused as
// malformed: a subdomain may have planted one.
func Cookie(name string) request.Extractor { return cookie(name) }

type cookie string

func (name cookie) ExtractToken(r *http.Request) (string, error) {
	switch cookies := r.CookiesNamed(string(name)); len(cookies) {
	case 0:
		return "", request.ErrNoTokenInRequest
	case 1:
		return cookies[0].Value, nil
	}
	return "", errAmbiguous
}

// Query takes the token from a parameter of the URL's query. URLs end up in logs and histories (RFC
// 6750 §2.3): prefer [Subprotocol], or let the token live for seconds and be good for one use.
func Query(name string) request.Extractor { return query(name) }

type query string

func (name query) ExtractToken(r *http.Request) (string, error) {
	switch values := r.URL.Query()[string(name)]; len(values) {
	case 0:
		return "", request.ErrNoTokenInRequest
	case 1:
		return values[0], nil
	}
	return "", errAmbiguous
}
