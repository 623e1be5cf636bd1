package middleware

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"time"

	"github.com/golang-jwt/jwt/v5/request"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/middleware/internal/within"
	"github.com/wsverdict/wsverdict/policy"
)

// An APIKeyHash is the SHA-256 of an API key: what a server keeps instead of the key. A fast hash
// is enough, since a key is no password: it is random, and long enough that nobody finds it by
// trying (crypto/rand.Text gives one).
type APIKeyHash [sha256.Size]byte

// HashAPIKey returns the hash of a key.
func HashAPIKey(key string) APIKeyHash { return sha256.Sum256([]byte(key)) }

// An APIKey is what is known about a key: whose it is, and what is to be known of them, as a T.
type APIKey[T any] struct {
	Hash    APIKeyHash // of the key
	Subject string     // whose it is (policy.Subject); "" for nobody in particular
	Tags    []policy.Tag
	Expires time.Time // the key is good until then, and so are connections that it admitted; zero for always
	Value   T         // for APIKeys.Value: a plan, a tenant, scopes
}

// An APIKeysConfig says which API keys are good.
type APIKeysConfig[T any] struct {
	// Lookup returns what is known about the key with this hash; ok is false if there is none. An
	// error means that this could not be found out. What it returns counts only if its Hash is this
	// one, which is compared in constant time: so Lookup may find it by a part of the hash, or by
	// an index that takes capitals for small letters, and lets no other key in. It is called
	// concurrently. Required.
	Lookup func(ctx context.Context, hash APIKeyHash) (key APIKey[T], ok bool, err error)

	// Timeout is how long a request waits for Lookup, also for one that ignores its context. 0
	// means 1 second.
	Timeout time.Duration

	// From are the sources of the key, asked in order; the first that has one counts. nil means
	// Header("X-Api-Key"). [AuthScheme], [Subprotocol], for browser scripts, and [Query] are
	// others.
	From TokenSources

	// Tag, if given, is the key under which live connections are tagged with the subject, for
	// [upgrade.Upgrader.End].
	Tag string

	// Realm is the realm of WWW-Authenticate (RFC 9110 §11.5), if given.
	Realm string
}

// APIKeys is the policy that lets nobody pass without a good API key, and the handle that gives
// what is known about it. It is safe for concurrent use. On denial:
//
//	401 api_key_missing        stop      in policy.Any it loses to those who found a credential of their kind
//	401 api_key_invalid        stop      unknown, several where one belongs, or longer than [MaxToken]
//	401 api_key_expired        stop
//	503 api_keys_unavailable   backoff
//
// On HTTP a 401 carries WWW-Authenticate, with the scheme of the first [AuthScheme] or [Bearer]
// among the sources, else ApiKey.
type APIKeys[T any] struct {
	lookup  func(context.Context, APIKeyHash) (APIKey[T], bool, error)
	guard   *within.Guard
	timeout time.Duration
	from    TokenSources
	tag     string

	missing, invalid, expired policy.Verdict
}

var keysUnavailable = policy.Close(codes.ServiceUnavailable, "api_keys_unavailable").
	WithDetail("The API key cannot be checked at the moment.")

// NewAPIKeys returns an APIKeys. The error lists every mistake in cfg.
func NewAPIKeys[T any](cfg APIKeysConfig[T]) (*APIKeys[T], error) {
	var wrong mistakes
	if cfg.Lookup == nil {
		wrong.add("Lookup is required")
	}
	if cfg.Timeout < 0 {
		wrong.add("Timeout is negative")
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = time.Second
	}
	for _, e := range cfg.From {
		checkExtractor(e, &wrong)
	}
	if len(cfg.From) == 0 {
		cfg.From = []request.Extractor{Header("X-Api-Key")}
	}
	if !validRealm(cfg.Realm) {
		wrong.add("Realm: %q: want printable ASCII without quotes and backslashes", cfg.Realm)
	}
	if err := wrong.err("NewAPIKeys"); err != nil {
		return nil, err
	}
	a := &APIKeys[T]{lookup: cfg.Lookup, guard: within.NewGuard(0), timeout: cfg.Timeout, from: sources(cfg.From), tag: cfg.Tag}
	challenge := schemeOf(a.from)
	if cfg.Realm != "" {
		challenge += ` realm="` + cfg.Realm + `"`
	}
	denial := func(slug, detail string) policy.Verdict {
		return policy.Close(codes.Unauthorized, slug).WithAction(codes.Stop).WithDetail(detail).WithHeader("WWW-Authenticate", challenge)
	}
	a.missing = denial("api_key_missing", "An API key is required.").Missing()
	a.invalid = denial("api_key_invalid", "The API key is not valid.")
	a.expired = denial("api_key_expired", "The API key has expired.")
	return a, nil
}

// MustAPIKeys is [NewAPIKeys] for package variables: it panics on mistakes.
func MustAPIKeys[T any](cfg APIKeysConfig[T]) *APIKeys[T] {
	a, err := NewAPIKeys(cfg)
	if err != nil {
		panic(err)
	}
	return a
}

// apiKeyOf is the context key of a handle, and who owns the expiries that it brings.
type apiKeyOf[T any] struct{ handle *APIKeys[T] }

type lookedUp[T any] struct {
	key APIKey[T]
	ok  bool
}

// Judge is the policy.
func (a *APIKeys[T]) Judge(r *http.Request) policy.Verdict {
	presented, err := a.from.ExtractToken(r)
	switch {
	case isNoToken(err):
		return a.missing
	case err != nil:
		return a.invalid.WithCause(err)
	case len(presented) > MaxToken:
		return a.invalid.WithCause(errTooLong)
	}
	hash := HashAPIKey(presented)
	found, err := within.Call(r.Context(), a.guard, a.timeout, func(ctx context.Context) (f lookedUp[T], err error) {
		f.key, f.ok, err = a.lookup(ctx, hash)
		return f, err
	})
	key := &found.key
	switch {
	case err != nil:
		return keysUnavailable.WithCause(err)
	case subtle.ConstantTimeCompare(key.Hash[:], hash[:]) != 1 || !found.ok:
		return a.invalid
	case !key.Expires.IsZero() && !time.Now().Before(key.Expires):
		return a.expired
	}
	v := policy.Allow().WithValue(apiKeyOf[T]{a}, &key.Value).WithSubject(key.Subject)
	if a.tag != "" && key.Subject != "" {
		v = v.WithTag(a.tag, key.Subject)
	}
	for _, tag := range key.Tags {
		v = v.WithTag(tag.Key, tag.Value)
	}
	if !key.Expires.IsZero() {
		v = v.WithExpiry(policy.Expiry{At: key.Expires, Owner: apiKeyOf[T]{a}, Subject: key.Subject})
	}
	return v
}

// Name is "api_keys".
func (a *APIKeys[T]) Name() string { return "api_keys" }

// CheckMount asks the sources that care where they are mounted.
func (a *APIKeys[T]) CheckMount(m policy.Mounting) error { return a.from.CheckMount(m) }

// Value returns what was known about the key that a let pass; ok is false where a did not decide
// (or did not allow, inside a policy.Any). Who it is, [policy.Subject] says.
func (a *APIKeys[T]) Value(r *http.Request) (value T, ok bool) {
	if v, ok := r.Context().Value(apiKeyOf[T]{a}).(*T); ok {
		return *v, true
	}
	return value, false
}

// WithValue returns a copy of r for which [APIKeys.Value] returns value: for tests of what stands
// behind a.
func (a *APIKeys[T]) WithValue(r *http.Request, value T) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), apiKeyOf[T]{a}, &value))
}
