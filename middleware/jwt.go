package middleware

import (
	"context"
	"net/http"

	"github.com/golang-jwt/jwt/v5"

	"github.com/wsverdict/wsverdict/middleware/internal/within"
	"github.com/wsverdict/wsverdict/policy"
)

// A JWT is the policy that lets nobody pass without a good token, and the handle that gives the
// token's claims, of the user's own type C, to whoever comes later. Two handles in one chain do not
// get in each other's way. It is safe for concurrent use.
//
// On denial, what happened and what the client should do:
//
//	401 token_missing             refresh
//	401 token_malformed           stop      also over [MaxToken], several tokens where one belongs, names that occur
//	                                        twice (case aside), and extensions that must be understood (crit)
//	401 token_signature_invalid   refresh   also an algorithm that is not listed and an unknown key
//	401 token_expired             refresh
//	401 token_not_yet_valid       backoff   with the wait, where nbf is given
//	401 token_type_invalid        stop      another typ than JWTConfig.Type
//	401 token_audience_invalid    stop
//	401 token_issuer_invalid      stop
//	401 token_claims_invalid      stop      a required claim is missing, or the claims' own Validate refused
//	401 token_revoked             stop
//	503 keys_unavailable          backoff
//	503 revocation_unavailable    backoff
//
// The signature is checked first: nobody learns whether a forged token has expired, and nothing
// that a token says is in the cause of a denial before that. On HTTP a 401 carries WWW-Authenticate
// (RFC 6750 §3).
type JWT[C any] struct {
	config   JWTConfig[C] // our own copy
	typ      string       // of which config.Type is a form
	parser   *jwt.Parser
	static   jwt.Keyfunc // nil where keys are looked up
	lookup   *lookup
	revoking *within.Guard
	answers  answers
	asClaims func(*C) jwt.Claims

	memory    *memory[C] // nil where nothing is remembered
	validates bool       // the claims have a Validate of their own
}

// NewJWT returns a JWT whose tokens' claims are decoded into C, whose pointer must be a jwt.Claims:
// a struct that embeds jwt.RegisteredClaims is. The error lists every mistake in cfg.
func NewJWT[C any, P interface {
	*C
	jwt.Claims
}](cfg JWTConfig[C]) (*JWT[C], error) {
	asClaims := func(c *C) jwt.Claims { return P(c) }
	copies, cannot := copier[C](cfg.Remember)
	if err := checkJWT(cfg, asClaims, cannot); err != nil {
		return nil, err
	}
	cfg.From = sources(cfg.From)
	if cfg.Timeout == 0 {
		cfg.Timeout = keysTimeout
	}
	j := &JWT[C]{
		config:   cfg,
		typ:      mediaType(cfg.Type),
		parser:   jwt.NewParser(parserOptions(cfg)...),
		revoking: within.NewGuard(0),
		answers:  newAnswers(cfg.Realm),
		asClaims: asClaims,
	}
	if cfg.Remember > 0 {
		j.memory = newMemory(cfg, copies)
		_, j.validates = asClaims(new(C)).(jwt.ClaimsValidator)
	}
	if k, ok := cfg.Keys.(staticKey); ok {
		j.static = func(*jwt.Token) (any, error) { return k.key, nil }
	} else {
		j.lookup = newLookup(cfg.Keys, cfg.Timeout)
	}
	return j, nil
}

// MustJWT is [NewJWT] for package variables: it panics on mistakes.
func MustJWT[C any, P interface {
	*C
	jwt.Claims
}](cfg JWTConfig[C]) *JWT[C] {
	j, err := NewJWT[C, P](cfg)
	if err != nil {
		panic(err)
	}
	return j
}

// Judge is the policy.
func (j *JWT[C]) Judge(r *http.Request) policy.Verdict {
	token, err := j.config.From.ExtractToken(r)
	switch {
	case isNoToken(err):
		return j.answers.missing
	case err != nil:
		return j.answers.malformed.WithCause(quiet("middleware: the token cannot be taken from the request", err))
	}
	_, v := j.verify(r.Context(), token)
	return v
}

// admit has v bring what good claims bring.
func (j *JWT[C]) admit(v policy.Verdict, claims *C) policy.Verdict {
	e := j.expiry(claims)
	return v.WithValue(claimsKey[C]{j}, claims).WithSubject(e.Subject).WithExpiry(e)
}

// expiry is what good claims say of the connection: it is there, if only to be renewed, also where
// the connection may outlive the token.
func (j *JWT[C]) expiry(claims *C) policy.Expiry {
	c := j.asClaims(claims)
	subject, _ := c.GetSubject()
	e := policy.Expiry{Owner: claimsKey[C]{j}, Subject: subject}
	if j.config.Tag != "" && subject != "" {
		e.Tags = append(e.Tags, policy.Tag{Key: j.config.Tag, Value: subject})
	}
	if j.config.Tags != nil {
		for _, tag := range j.config.Tags(*j.own(claims)) {
			if tag.Value != "" {
				e.Tags = append(e.Tags, tag)
			}
		}
	}
	if exp, err := c.GetExpirationTime(); !j.config.KeepExpired && err == nil && exp != nil {
		e.At = exp.Add(j.config.Leeway)
	}
	return e
}

// Name is "jwt".
func (j *JWT[C]) Name() string { return "jwt" }

// CheckMount asks the sources that care where they are mounted.
func (j *JWT[C]) CheckMount(m policy.Mounting) error { return j.config.From.CheckMount(m) }

type claimsKey[C any] struct{ handle *JWT[C] }

// Claims returns the claims of the token that j let pass, a copy; ok is false where j did not
// decide (or did not allow, inside a policy.Any). What the claims point to is shared by all who ask
// about this request: do not change it. With [JWTConfig.Remember] nothing is shared, and every call
// has a copy of its own, made through all pointers, slices and maps.
func (j *JWT[C]) Claims(r *http.Request) (claims C, ok bool) {
	if c, ok := r.Context().Value(claimsKey[C]{j}).(*C); ok {
		return *j.own(c), true
	}
	return claims, false
}

// WithClaims returns a copy of r for which [JWT.Claims] returns claims, and policy.Subject their
// subject: for tests of what stands behind j.
func (j *JWT[C]) WithClaims(r *http.Request, claims C) *http.Request {
	subject, _ := j.asClaims(&claims).GetSubject()
	r = policy.WithSubject(r, subject)
	return r.WithContext(context.WithValue(r.Context(), claimsKey[C]{j}, &claims))
}
