package middleware

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/golang-jwt/jwt/v5/request"

	"github.com/wsverdict/wsverdict/policy"
)

// A JWT is the policy that lets nobody pass without a good token, and the handle that gives the token's claims, of the user's
// own type C, to whoever comes later. Two handles in one chain do not get in each other's way. It is safe for concurrent use.
//
// On denial, what happened and what the client should do:
//
//	401 token_missing             refresh
//	401 token_malformed           stop      also over [MaxToken], and several tokens where one belongs
//	401 token_signature_invalid   refresh   also an algorithm that is not listed and an unknown key
//	401 token_expired             refresh
//	401 token_not_yet_valid       backoff   with the wait, where nbf is given
//	401 token_audience_invalid    stop
//	401 token_issuer_invalid      stop
//	401 token_claims_invalid      stop      a required claim is missing, or the claims' own Validate refused
//	401 token_revoked             stop
//	503 keys_unavailable          backoff
//	503 revocation_unavailable    backoff
//
// The signature is checked first: nobody learns whether a forged token has expired. On HTTP a 401 carries WWW-Authenticate
// (RFC 6750 §3).
type JWT[C any] struct {
	parser      *jwt.Parser
	keyfunc     jwt.Keyfunc
	unavailable func(error) bool
	from        []request.Extractor
	leeway      time.Duration
	keepExpired bool
	tag         string
	answers     answers
	asClaims    func(*C) jwt.Claims
	revoked     func(context.Context, C) (bool, error)
}

// NewJWT returns a JWT whose tokens' claims are decoded into C, whose pointer must be a jwt.Claims: a struct that embeds
// jwt.RegisteredClaims is. The error lists every mistake in cfg.
func NewJWT[C any, P interface {
	*C
	jwt.Claims
}](cfg JWTConfig) (*JWT[C], error) {
	if err := checkJWT(cfg); err != nil {
		return nil, err
	}
	return &JWT[C]{
		parser:      jwt.NewParser(parserOptions(cfg)...),
		keyfunc:     cfg.Keyfunc,
		unavailable: cfg.KeysUnavailable,
		from:        sources(cfg.From),
		leeway:      cfg.Leeway,
		keepExpired: cfg.KeepExpired,
		tag:         cfg.Tag,
		answers:     newAnswers(cfg.Realm),
		asClaims:    func(c *C) jwt.Claims { return P(c) },
	}, nil
}

// MustJWT is [NewJWT] for package variables: it panics on mistakes.
func MustJWT[C any, P interface {
	*C
	jwt.Claims
}](cfg JWTConfig) *JWT[C] {
	j, err := NewJWT[C, P](cfg)
	if err != nil {
		panic(err)
	}
	return j
}

// RevokedBy returns a copy of j that also asks f, for every token that is otherwise good: a valid token is not a live
// session. An error means that it could not be found out, and denies with 503. The copy is another handle: use it alone.
func (j *JWT[C]) RevokedBy(f func(ctx context.Context, claims C) (revoked bool, err error)) *JWT[C] {
	k := *j
	k.revoked = f
	return &k
}

// Judge is the policy.
func (j *JWT[C]) Judge(r *http.Request) policy.Verdict {
	token, err := j.extract(r)
	switch {
	case err != nil:
		return j.answers.malformed.WithCause(err)
	case token == "":
		return j.answers.missing
	}
	claims, v := j.verify(r.Context(), token)
	if !v.Allowed() {
		return v
	}
	v = v.WithValue(claimsKey[C]{j}, claims)
	c := j.asClaims(claims)
	subject, _ := c.GetSubject()
	v = v.WithSubject(subject)
	if j.tag != "" && subject != "" {
		v = v.WithTag(j.tag, subject)
	}
	if exp := j.expiry(c); !j.keepExpired && !exp.IsZero() {
		v = v.WithExpiry(policy.Expiry{At: exp, Owner: claimsKey[C]{j}, Subject: subject})
	}
	return v
}

// verify looks at a token alone.
func (j *JWT[C]) verify(ctx context.Context, token string) (*C, policy.Verdict) {
	if len(token) > MaxToken {
		return nil, j.answers.malformed.WithCause(errTooLong)
	}
	claims := new(C)
	if _, err := j.parser.ParseWithClaims(token, j.asClaims(claims), j.keyfunc); err != nil {
		return nil, j.denial(err, j.asClaims(claims))
	}
	if j.revoked != nil {
		switch revoked, err := j.revoked(ctx, *claims); {
		case err != nil:
			return nil, j.answers.revocationUnavailable.WithCause(err)
		case revoked:
			return nil, j.answers.revoked
		}
	}
	return claims, policy.Allow()
}

// Name is "jwt".
func (j *JWT[C]) Name() string { return "jwt" }

// CheckMount asks the sources that care where they are mounted.
func (j *JWT[C]) CheckMount(m policy.Mounting) error {
	var errs []error
	for _, e := range j.from {
		if c, ok := e.(policy.MountChecker); ok {
			errs = append(errs, c.CheckMount(m))
		}
	}
	return errors.Join(errs...)
}

// extract returns "" if no source has a token.
func (j *JWT[C]) extract(r *http.Request) (string, error) {
	for _, e := range j.from {
		token, err := e.ExtractToken(r)
		if token != "" || err != nil && !errors.Is(err, request.ErrNoTokenInRequest) {
			return token, err
		}
	}
	return "", nil
}

type claimsKey[C any] struct{ handle *JWT[C] }

// Claims returns the claims of the token that j let pass, a copy; ok is false where j did not decide (or did not allow, inside
// a policy.Any). What the claims point to is shared by all who ask: do not change it.
func (j *JWT[C]) Claims(r *http.Request) (claims C, ok bool) {
	if c, ok := r.Context().Value(claimsKey[C]{j}).(*C); ok {
		return *c, true
	}
	return claims, false
}

// WithClaims returns a copy of r for which [JWT.Claims] returns claims, and policy.Subject their subject: for tests of what stands
// behind j.
func (j *JWT[C]) WithClaims(r *http.Request, claims C) *http.Request {
	subject, _ := j.asClaims(&claims).GetSubject()
	r = policy.WithSubject(r, subject)
	return r.WithContext(context.WithValue(r.Context(), claimsKey[C]{j}, &claims))
}
