package middleware

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/golang-jwt/jwt/v5/request"

	"github.com/wsverdict/wsverdict/policy"
)

// Header takes a credential from a header field of its own, as X-Api-Key. Browser scripts cannot
// set one on a WebSocket.
func Header(name string) request.Extractor { return header(http.CanonicalHeaderKey(name)) }

type header string

func (name header) ExtractToken(r *http.Request) (string, error) {
	switch lines := r.Header[string(name)]; {
	case len(lines) == 0, len(lines) == 1 && lines[0] == "":
		return "", request.ErrNoTokenInRequest
	case len(lines) == 1:
		return lines[0], nil
	}
	return "", errAmbiguous
}

// AuthScheme takes a credential from the Authorization header, behind a scheme (RFC 9110 §11.4),
// whose letters' case does not matter: AuthScheme("ApiKey"). [Bearer] is that of tokens.
func AuthScheme(scheme string) request.Extractor { return authScheme(scheme) }

type authScheme string

func (scheme authScheme) ExtractToken(r *http.Request) (string, error) {
	lines := r.Header["Authorization"]
	if len(lines) == 0 {
		return "", request.ErrNoTokenInRequest
	}
	if len(lines) > 1 {
		return "", errAmbiguous
	}
	name, credential, _ := strings.Cut(lines[0], " ")
	credential = strings.Trim(credential, " ")
	if !strings.EqualFold(name, string(scheme)) || credential == "" {
		return "", request.ErrNoTokenInRequest
	}
	return credential, nil
}

// CheckMount reports a name that no header field can have.
func (name header) CheckMount(policy.Mounting) error { return checkName("Header", string(name)) }

// CheckMount reports a name that no scheme can have.
func (scheme authScheme) CheckMount(policy.Mounting) error {
	return checkName("AuthScheme", string(scheme))
}

func checkName(what, name string) error {
	if name == "" || strings.ContainsFunc(name, func(c rune) bool { return c <= ' ' || c > '~' || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, c) }) {
		return fmt.Errorf("middleware: %s: %q is no token (RFC 9110 §5.6.2)", what, name)
	}
	return nil
}

// schemeOf is what WWW-Authenticate asks for (RFC 9110 §11.6.1).
func schemeOf(from []request.Extractor) string {
	for _, e := range from {
		switch e := e.(type) {
		case authScheme:
			return string(e)
		case bearer:
			return "Bearer"
		}
	}
	return "ApiKey"
}
