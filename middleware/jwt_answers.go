package middleware

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
)

var errTooLong = errors.New("middleware: the token is longer than MaxToken")

// answers are the denials of a JWT, with the WWW-Authenticate of its realm.
type answers struct {
	missing, malformed, signature, expired, notYet, audience, issuer, claims, revoked policy.Verdict
	keysUnavailable, revocationUnavailable                                            policy.Verdict
}

func newAnswers(realm string) answers {
	challenge := func(params string) string {
		if realm != "" {
			params = join(`realm="`+realm+`"`, params)
		}
		if params == "" {
			return "Bearer"
		}
		return "Bearer " + params
	}
	invalid := func(slug string, do codes.Action, description string) policy.Verdict {
		return policy.Close(codes.Unauthorized, slug).WithAction(do).WithDetail(description).WithHeader("Www-Authenticate",
			challenge(`error="invalid_token", error_description="`+description+`"`))
	}
	unavailable := func(slug string) policy.Verdict {
		return policy.Close(codes.ServiceUnavailable, slug).WithDetail("The token cannot be checked at the moment.")
	}
	return answers{
		// RFC 6750 §3.1: who sent no token learns nothing but that one is wanted.
		missing: policy.Close(codes.Unauthorized, "token_missing").WithDetail("A token is required.").
			WithHeader("Www-Authenticate", challenge("")).Missing(),
		malformed:             invalid("token_malformed", codes.Stop, "The token is malformed."),
		signature:             invalid("token_signature_invalid", codes.Refresh, "The token's signature is invalid."),
		expired:               invalid("token_expired", codes.Refresh, "The token has expired."),
		notYet:                invalid("token_not_yet_valid", codes.Backoff, "The token is not valid yet."),
		audience:              invalid("token_audience_invalid", codes.Stop, "The token is for another audience."),
		issuer:                invalid("token_issuer_invalid", codes.Stop, "The token is from another issuer."),
		claims:                invalid("token_claims_invalid", codes.Stop, "The token's claims are not acceptable."),
		revoked:               invalid("token_revoked", codes.Stop, "The token has been revoked."),
		keysUnavailable:       unavailable("keys_unavailable"),
		revocationUnavailable: unavailable("revocation_unavailable"),
	}
}

func join(a, b string) string {
	if b == "" {
		return a
	}
	return a + ", " + b
}

// validRealm keeps a quoted-string simple (RFC 9110 §5.6.4).
func validRealm(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// denial is the answer to golang-jwt's error. A token may be wrong in several ways; what no new token of the same kind would
// mend comes first. golang-jwt looks at claims only behind a good signature.
func (j *JWT[C]) denial(err error, claims jwt.Claims) policy.Verdict {
	a := &j.answers
	is := func(target error) bool { return errors.Is(err, target) }
	var v policy.Verdict
	switch {
	case is(jwt.ErrTokenMalformed):
		v = a.malformed
	case is(jwt.ErrTokenUnverifiable) && j.noKeys(err):
		v = a.keysUnavailable
	case is(jwt.ErrTokenUnverifiable), is(jwt.ErrTokenSignatureInvalid):
		v = a.signature
	case is(jwt.ErrTokenInvalidAudience):
		v = a.audience
	case is(jwt.ErrTokenInvalidIssuer):
		v = a.issuer
	case is(jwt.ErrTokenRequiredClaimMissing), is(jwt.ErrInvalidType):
		v = a.claims
	case is(jwt.ErrTokenExpired):
		v = a.expired
	case is(jwt.ErrTokenNotValidYet):
		v = a.notYet.WithAfter(j.untilValid(claims))
	default:
		v = a.claims
	}
	return v.WithCause(err)
}

// noKeys tells a key that could not be fetched from a token that names a wrong one.
func (j *JWT[C]) noKeys(err error) bool {
	var network net.Error
	return errors.Is(err, ErrKeysUnavailable) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) ||
		errors.As(err, &network) || j.unavailable != nil && j.unavailable(err)
}

func (j *JWT[C]) untilValid(claims jwt.Claims) time.Duration {
	nbf, err := claims.GetNotBefore()
	if err != nil || nbf == nil {
		return 0
	}
	return time.Until(nbf.Time) - j.leeway
}
