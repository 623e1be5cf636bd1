package middleware

import (
	"errors"
	"fmt"
	"iter"
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

// TokenSources are places where a token can be. A policy of your own that takes tokens embeds them:
// so what is to be checked when it is mounted, the marker of [Subprotocol], is checked.
//
//	type apiKeys struct {
//		middleware.TokenSources
//		known map[string]bool
//	}
//
//	func (k apiKeys) Judge(r *http.Request) policy.Verdict {
//		key, err := k.ExtractToken(r)
//		…
type TokenSources []request.Extractor

// ExtractToken asks the sources in order; the first that has a token counts, and so does an error
// that a source has. request.ErrNoTokenInRequest says that none has one. It is a request.Extractor.
func (s TokenSources) ExtractToken(r *http.Request) (string, error) {
	for _, e := range s {
		token, err := e.ExtractToken(r)
		if err != nil && !errors.Is(err, request.ErrNoTokenInRequest) {
			return "", err
		}
		if token != "" {
			return token, nil
		}
	}
	return "", request.ErrNoTokenInRequest
}

func isNoToken(err error) bool { return errors.Is(err, request.ErrNoTokenInRequest) }

// CheckMount asks the sources that care where they are mounted, also those inside golang-jwt's
// combinations.
func (s TokenSources) CheckMount(m policy.Mounting) error {
	var errs []error
	for _, e := range s {
		for e := range inside(e) {
			if _, again := e.(TokenSources); again {
				continue
			}
			if c, ok := e.(policy.MountChecker); ok {
				errs = append(errs, c.CheckMount(m))
			}
		}
	}
	return errors.Join(errs...)
}

// inside yields e, and what golang-jwt's combinations (request.OAuth2Extractor is one) have in them.
func inside(e request.Extractor) iter.Seq[request.Extractor] {
	return func(yield func(request.Extractor) bool) { each(e, yield) }
}

func each(e request.Extractor, yield func(request.Extractor) bool) bool {
	if !yield(e) {
		return false
	}
	var of []request.Extractor
	switch e := e.(type) {
	case TokenSources:
		of = e
	case request.MultiExtractor:
		of = e
	case *request.MultiExtractor:
		if e != nil {
			of = *e
		}
	case *request.PostExtractionFilter:
		if e != nil {
			of = []request.Extractor{e.Extractor}
		}
	}
	for _, e := range of {
		if !each(e, yield) {
			return false
		}
	}
	return true
}

// checkExtractor finds extractors that cannot work in front of an upgrade.
func checkExtractor(e request.Extractor, wrong *mistakes) {
	for e := range inside(e) {
		switch e.(type) {
		case nil:
			wrong.add("From: an extractor is nil")
		case request.ArgumentExtractor, *request.ArgumentExtractor:
			wrong.add("From: request.ArgumentExtractor reads the body, which a handshake must not have; use middleware.Query")
		}
	}
}
