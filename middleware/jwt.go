package middleware

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/golang-jwt/jwt/v5/request"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

// MaxToken is the longest token that is looked at, in bytes. Longer ones are malformed, unparsed.
const MaxToken = 8 << 10

// A JWTConfig says which tokens are good.
type JWTConfig struct {
	// Keyfunc returns the key for a token whose signature has not been checked yet (jwt.Keyfunc). An error that is or wraps
	// [ErrKeysUnavailable], a context error or a net.Error means that no key could be had: the answer is 503, not 401. Every
	// other error, such as an unknown key id, means a bad token. Required.
	Keyfunc jwt.Keyfunc

	// Methods are the algorithms that are accepted ("ES256"). Required: a token must not choose how it is checked.
	Methods []string

	// From are the sources of the token, asked in order; the first that has one counts. nil means [Bearer].
	From []request.Extractor

	// Issuer, if given, must be the iss claim.
	Issuer string

	// Audience, if given, must have an element in common with the aud claim.
	Audience []string

	// Leeway is how far clocks may differ, for exp and nbf. Set it here, not with jwt.WithLeeway.
	Leeway time.Duration

	// AllowNoExpiry accepts tokens without an exp claim. By default exp is required: a token without one is good forever.
	AllowNoExpiry bool

	// KeepExpired lets a live connection outlive the token that admitted it. By default it is closed at exp plus Leeway, with 4401
	// token_expired;do=refresh, unless [JWT.Renew] extends it in time.
	KeepExpired bool

	// Tag, if given, is the key under which live connections are tagged with the token's subject, for [upgrade.Upgrader.End].
	Tag string

	// KeysUnavailable reports further Keyfunc errors that mean that no key could be had.
	KeysUnavailable func(error) bool

	// Realm is the realm of WWW-Authenticate (RFC 9110 §11.5), if given.
	Realm string

	// Options are further options of golang-jwt's parser. What the fields above say comes after them.
	Options []jwt.ParserOption
}

// ErrKeysUnavailable is what a Keyfunc returns, or wraps, when it could not get at the keys. See [JWTConfig.Keyfunc].
var ErrKeysUnavailable = errors.New("middleware: the keys are unavailable")

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

func sources(from []request.Extractor) []request.Extractor {
	if len(from) == 0 {
		return []request.Extractor{Bearer}
	}
	return slices.Clone(from)
}

func checkJWT(cfg JWTConfig) error {
	var wrong mistakes
	if cfg.Keyfunc == nil {
		wrong.add("Keyfunc is required")
	}
	if len(cfg.Methods) == 0 {
		wrong.add(`Methods is required, for example "ES256"`)
	}
	for _, m := range cfg.Methods {
		switch {
		case m == jwt.SigningMethodNone.Alg():
			wrong.add("Methods: %q is no signature", m)
		case jwt.GetSigningMethod(m) == nil:
			wrong.add("Methods: %q is not among golang-jwt's %q", m, jwt.GetAlgorithms())
		}
	}
	for _, e := range cfg.From {
		checkExtractor(e, &wrong)
	}
	if !validatesClaims(cfg.Options) {
		wrong.add("Options: claims are not validated; drop jwt.WithoutClaimsValidation")
	}
	if cfg.Leeway < 0 {
		wrong.add("Leeway is negative")
	}
	if !validRealm(cfg.Realm) {
		wrong.add("Realm: %q: want printable ASCII without quotes and backslashes", cfg.Realm)
	}
	return wrong.err("NewJWT")
}

// validatesClaims tries the options on a token that expired long ago: a parser does not tell what it is set to.
func validatesClaims(options []jwt.ParserOption) bool {
	key := []byte("probe")
	old := jwt.RegisteredClaims{ExpiresAt: jwt.NewNumericDate(time.Unix(1, 0))}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, old).SignedString(key)
	if err != nil {
		return true
	}
	parser := jwt.NewParser(append(slices.Clone(options), jwt.WithValidMethods([]string{"HS256"}))...)
	_, err = parser.ParseWithClaims(token, &jwt.RegisteredClaims{}, func(*jwt.Token) (any, error) { return key, nil })
	return err != nil
}

func parserOptions(cfg JWTConfig) []jwt.ParserOption {
	options := append(slices.Clone(cfg.Options), jwt.WithValidMethods(slices.Clone(cfg.Methods)), jwt.WithLeeway(cfg.Leeway))
	if !cfg.AllowNoExpiry {
		options = append(options, jwt.WithExpirationRequired())
	}
	if cfg.Issuer != "" {
		options = append(options, jwt.WithIssuer(cfg.Issuer))
	}
	if len(cfg.Audience) > 0 {
		options = append(options, jwt.WithAudience(slices.Clone(cfg.Audience)...))
	}
	return options
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

// expiry is the end of a token's time; zero for none.
func (j *JWT[C]) expiry(c jwt.Claims) time.Time {
	exp, err := c.GetExpirationTime()
	if err != nil || exp == nil {
		return time.Time{}
	}
	return exp.Add(j.leeway)
}

var otherSubject = policy.Close(codes.Forbidden, "token_subject_mismatch")

// Renew extends a live connection that j admitted, with a new token that the client has sent over it: to the new token's expiry. It must
// be for the same subject. It returns the new claims: what the session took from the old ones is the session's affair. The error
// is a denying Verdict, which a session may return to close with it, or what [upgrade.Conn.Extend] says: [upgrade.ErrNoExpiry] for
// a connection that never expires ([JWTConfig.KeepExpired], or a token without exp).
func (j *JWT[C]) Renew(ctx context.Context, conn *upgrade.Conn, token string) (claims C, err error) {
	c, v := j.verify(ctx, token)
	if !v.Allowed() {
		return claims, v
	}
	subject, err := j.asClaims(c).GetSubject()
	switch {
	case err != nil:
		return claims, j.answers.claims.WithCause(err)
	case subject == "": // nobody is not the same as nobody
		return claims, otherSubject
	}
	err = conn.Extend(policy.Expiry{At: j.expiry(j.asClaims(c)), Owner: claimsKey[C]{j}, Subject: subject})
	switch {
	case errors.Is(err, upgrade.ErrSubject):
		return claims, otherSubject.WithCause(err)
	case err != nil:
		return claims, err
	}
	return *c, nil
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

// WithClaims returns a copy of r for which [JWT.Claims] returns claims: for tests of what stands behind j.
func (j *JWT[C]) WithClaims(r *http.Request, claims C) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), claimsKey[C]{j}, &claims))
}

// BySubject is a key function for [RateLimitConfig.Key]: the sub claim. ok is false without claims or with an empty one.
func (j *JWT[C]) BySubject(r *http.Request) (key Key, ok bool) {
	c, ok := r.Context().Value(claimsKey[C]{j}).(*C)
	if !ok {
		return Key{}, false
	}
	subject, err := j.asClaims(c).GetSubject()
	return StringKey(subject), err == nil && subject != ""
}
