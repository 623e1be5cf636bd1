package middleware

import (
	"errors"
	"slices"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/golang-jwt/jwt/v5/request"
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
