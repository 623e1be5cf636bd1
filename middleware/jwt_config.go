package middleware

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/wsverdict/wsverdict/policy"
)

// MaxToken is the longest token that is looked at, in bytes. Longer ones are malformed, unparsed.
const MaxToken = 8 << 10

// A JWTConfig says which tokens are good. C is the type of their claims: a struct that embeds
// jwt.RegisteredClaims.
type JWTConfig[C any] struct {
	// Keys has the keys that tokens are signed with: [StaticKey], [FromKeySet], [KeysFunc], or
	// package jwks. Required.
	Keys Keys

	// Methods are the algorithms that are accepted ("ES256"). Required: a token must not choose how
	// it is checked.
	Methods []string

	// From are the sources of the token, asked in order; the first that has one counts. nil means
	// [Bearer].
	From TokenSources

	// Issuer, if given, must be the iss claim.
	Issuer string

	// Audience, if given, must have an element in common with the aud claim.
	Audience []string

	// Type, if given, must be the token's typ ("at+jwt"), so that one kind of token is not taken
	// for another (RFC 8725 §3.11). Case does not matter, nor does an "application/" in front (RFC
	// 7515 §4.1.9).
	Type string

	// Leeway is how far clocks may differ, for exp and nbf. Set it here, not with jwt.WithLeeway.
	Leeway time.Duration

	// AllowNoExpiry accepts tokens without an exp claim. By default exp is required: a token
	// without one is good forever.
	AllowNoExpiry bool

	// KeepExpired lets a live connection outlive the token that admitted it. By default it is
	// closed at exp plus Leeway, with 4401 token_expired;do=refresh, unless [JWT.Renew] extends it
	// in time.
	KeepExpired bool

	// Revoked, if given, is asked about every token that is otherwise good: a valid token is not a
	// live session. An error means that it could not be found out, and denies with 503. It is
	// called concurrently.
	Revoked func(ctx context.Context, claims C) (revoked bool, err error)

	// Tag, if given, is the key under which live connections are tagged with the token's subject, for
	// [upgrade.Upgrader.End].
	Tag string

	// Tags, if given, returns further tags of the connection, such as the token's ID (so that a
	// revoked token ends what it admitted) or a tenant. Those with an empty value are left out.
	Tags func(claims C) []policy.Tag

	// Timeout bounds each look-up of a key and each question to Revoked, on top of the request's
	// context and also where they ignore it: beyond it the answer is 503. 0 means 2 s.
	Timeout time.Duration

	// Remember, if given, is how many tokens are remembered that were found good, and as many that
	// were refused, so that who comes back with the same one is not verified again. Places for them
	// take about 100 bytes each at once (their number is rounded up to a power of two), and a token
	// that is remembered as good takes about 600 more, its claims among them. 0 means none.
	//
	// What is remembered ends with exp and after RememberFor; it is forgotten when the keys change,
	// if they are [VersionedKeys] or a [StaticKey]. Revoked is asked each time, and so is the claims'
	// own Validate. C must be something that can be copied through all pointers, slices and maps
	// ([JWT.Claims]), or have a method Clone() C. It goes by the system's clock, whatever
	// jwt.WithTimeFunc says.
	Remember int

	// RememberFor bounds how long. 0 means an hour; a minute where Keys cannot tell that they
	// change: so long what a withdrawn key has signed may stay good.
	RememberFor time.Duration

	// KeysUnavailable reports further errors of Keys that mean that no key could be had.
	KeysUnavailable func(error) bool

	// Realm is the realm of WWW-Authenticate (RFC 9110 §11.5), if given.
	Realm string

	// Options are further options of golang-jwt's parser. What the fields above say comes after them.
	Options []jwt.ParserOption
}

// keysTimeout is how long a handshake waits for a key or a revocation list: a key may have to be
// fetched.
const keysTimeout = 2 * time.Second

func checkJWT[C any](cfg JWTConfig[C], asClaims func(*C) jwt.Claims, cannotCopy error) error {
	var wrong mistakes
	switch keys := cfg.Keys.(type) {
	case nil:
		wrong.add("Keys is required")
	case KeysFunc:
		if keys == nil {
			wrong.add("Keys is a nil function")
		}
	case staticKey:
		keys.check(cfg.Methods, &wrong)
	case keySet:
		if keys.set == nil {
			wrong.add("Keys is a nil key set")
		}
	}
	if len(cfg.Methods) == 0 {
		wrong.add(`Methods is required, for example "ES256"`)
	}
	for _, m := range cfg.Methods {
		switch {
		case m == jwt.SigningMethodNone.Alg():
			wrong.add("Methods: %q is no signature", m)
		case jwt.GetSigningMethod(m) == nil:
			wrong.add("Methods: %q is not among golang-jwt's %q", m, algorithms())
		}
	}
	if slices.Contains(cfg.Audience, "") {
		wrong.add("Audience: an element is empty")
	}
	for _, e := range cfg.From {
		checkExtractor(e, &wrong)
	}
	if !validatesClaims(cfg.Options) {
		wrong.add("Options: claims are not validated; drop jwt.WithoutClaimsValidation")
	}
	if err := usable(asClaims); err != nil {
		wrong = append(wrong, err)
	}
	if cfg.Leeway < 0 {
		wrong.add("Leeway is negative")
	}
	if cfg.Timeout < 0 {
		wrong.add("Timeout is negative")
	}
	if cfg.Remember < 0 || cfg.Remember > 1<<24 {
		wrong.add("Remember must be 0 to 2^24")
	}
	if cfg.RememberFor < 0 {
		wrong.add("RememberFor is negative")
	}
	if cannotCopy != nil {
		wrong.add("Remember: %w; give %T a method Clone", cannotCopy, *new(C))
	}
	if !validRealm(cfg.Realm) {
		wrong.add("Realm: %q: want printable ASCII without quotes and backslashes", cfg.Realm)
	}
	return wrong.err("NewJWT")
}

// usable finds claims that would panic at the first token: an embedded *jwt.RegisteredClaims is nil
// in a new C.
func usable[C any](asClaims func(*C) jwt.Claims) (err error) {
	defer func() {
		if x := recover(); x != nil {
			err = fmt.Errorf("%T: its methods panic on a new one (%v); embed jwt.RegisteredClaims itself, no pointer", *new(C), x)
		}
	}()
	c := asClaims(new(C))
	for _, get := range []func() (*jwt.NumericDate, error){c.GetExpirationTime, c.GetNotBefore, c.GetIssuedAt} {
		get()
	}
	c.GetIssuer()
	c.GetSubject()
	c.GetAudience()
	return nil
}

// validatesClaims tries the options on a token that expired long ago: a parser does not tell what
// it is set to.
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

func parserOptions[C any](cfg JWTConfig[C]) []jwt.ParserOption {
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

// mediaType is a typ in the form in which two are compared (RFC 7515 §4.1.9).
func mediaType(typ string) string {
	return strings.TrimPrefix(strings.ToLower(typ), "application/")
}

func sources(from TokenSources) TokenSources {
	if len(from) == 0 {
		return TokenSources{Bearer}
	}
	return slices.Clone(from)
}

// ErrKeysUnavailable is what [Keys] return, or wrap, when no key could be had.
var ErrKeysUnavailable = errors.New("middleware: the keys are unavailable")

// algorithms are those that a configuration can name, in the order of their names.
func algorithms() []string {
	names := slices.DeleteFunc(jwt.GetAlgorithms(), func(name string) bool { return name == jwt.SigningMethodNone.Alg() })
	slices.Sort(names)
	return names
}
