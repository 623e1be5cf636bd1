package middleware

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/middleware/internal/within"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

// answers are the denials of a JWT, with the WWW-Authenticate of its realm.
type answers struct {
	missing, malformed, signature, expired, notYet, typ, audience, issuer, claims, revoked policy.Verdict
	keysUnavailable, revocationUnavailable                                                 policy.Verdict
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
		typ:                   invalid("token_type_invalid", codes.Stop, "The token is of another type."),
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

// denial is the answer to golang-jwt's error. A token may be wrong in several ways; what no new
// token of the same kind would mend comes first. golang-jwt looks at claims only behind a good
// signature.
func (j *JWT[C]) denial(err error, claims jwt.Claims) policy.Verdict {
	a := &j.answers
	is := func(target error) bool { return errors.Is(err, target) }
	var v policy.Verdict
	switch {
	case is(jwt.ErrTokenMalformed):
		return a.malformed.WithCause(quiet(malformedWords(err), err))
	case is(jwt.ErrTokenUnverifiable) && j.noKeys(err):
		v = a.keysUnavailable
	case is(jwt.ErrTokenUnverifiable):
		return a.signature.WithCause(quiet("middleware: there is no key for the token", err))
	case is(jwt.ErrTokenSignatureInvalid):
		return a.signature.WithCause(quiet("middleware: the signature is wrong, or its algorithm is not listed", err))
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

// A quietError says in fixed words what happened: err's text may have parts of a token whose
// signature was not checked. It unwraps to err.
type quietError struct {
	words string
	err   error
}

func (e *quietError) Error() string { return e.words }
func (e *quietError) Unwrap() error { return e.err }

// quiet leaves this package's own errors as they are.
func quiet(words string, err error) error {
	if err == errAmbiguous {
		return err
	}
	return &quietError{words, err}
}

func malformedWords(err error) string {
	if _, ok := errors.AsType[base64.CorruptInputError](err); ok {
		return "middleware: a part of the token is no base64url"
	}
	if _, ok := errors.AsType[*json.SyntaxError](err); ok {
		return "middleware: a part of the token is no JSON"
	}
	if _, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return "middleware: the token's header or claims have another type"
	}
	return "middleware: the token has not three parts, or its claims cannot be read"
}

// noKeys tells a key that could not be had from a token that names a wrong one.
func (j *JWT[C]) noKeys(err error) bool {
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	if _, ok := errors.AsType[*upgrade.PanicError](err); ok {
		return true
	}
	for _, e := range []error{ErrKeysUnavailable, errEmptySet, errManyUnknown, within.ErrBusy, context.DeadlineExceeded, context.Canceled} {
		if errors.Is(err, e) {
			return true
		}
	}
	return j.config.KeysUnavailable != nil && j.config.KeysUnavailable(err)
}

func (j *JWT[C]) untilValid(claims jwt.Claims) time.Duration {
	nbf, err := claims.GetNotBefore()
	if err != nil || nbf == nil {
		return 0
	}
	return time.Until(nbf.Time) - j.config.Leeway
}
