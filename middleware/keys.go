package middleware

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/golang-jwt/jwt/v5"
)

// Keys has the keys that tokens are signed with. Key returns the one for a token whose signature
// has not been checked yet, or a jwt.VerificationKeySet. The token has its header and the issuer
// (iss) alone: nothing else that an unverified token says should choose a key.
//
// An error that is or wraps [ErrKeysUnavailable], a context error or a net.Error means that no key
// could be had: the answer is 503, not 401. Every other error, such as an unknown key id, means a
// bad token; an empty VerificationKeySet is unavailable.
//
// Key is called concurrently (the token's Header is not to be changed), on a goroutine of its own,
// under the request's context with [JWTConfig.Timeout]; the policy waits no longer, also where Key
// does. Look-ups of a key that has not been found before happen once at a time for each header and
// issuer, and when too many of them have failed (100, and 10 more a second) the others are answered
// 503 without asking: anybody can send unknown key ids.
type Keys interface {
	Key(ctx context.Context, token *jwt.Token) (key any, err error)
}

// LocalKeys are [Keys] of which some are in memory. Local is asked first, and directly: it must
// return at once. ok is false where it has no key for the token; then Key is asked.
type LocalKeys interface {
	Keys
	Local(token *jwt.Token) (key any, ok bool)
}

// VersionedKeys are [Keys] that know when they are no longer what they were. Generation is another
// number after every change; it is asked for with each token and must return at once. What was
// remembered of tokens ([JWTConfig.Remember]) is forgotten with it.
type VersionedKeys interface {
	Keys
	Generation() uint64
}

// KeysFunc adapts a function to [Keys].
type KeysFunc func(ctx context.Context, token *jwt.Token) (key any, err error)

// Key calls f.
func (f KeysFunc) Key(ctx context.Context, token *jwt.Token) (any, error) { return f(ctx, token) }

// FromKeyfunc adapts golang-jwt's key function, which has no context: one that hangs is left behind
// after [JWTConfig.Timeout].
func FromKeyfunc(f jwt.Keyfunc) Keys {
	if f == nil {
		return KeysFunc(nil)
	}
	return KeysFunc(func(_ context.Context, token *jwt.Token) (any, error) { return f(token) })
}

// StaticKey is one key for all tokens: the secret of HS256, a public key, or a
// jwt.VerificationKeySet of several, which are tried in turn. It costs nothing to look up. Mounting
// checks that it fits one of the Methods.
func StaticKey(key any) Keys { return staticKey{key} }

type staticKey struct{ key any }

func (k staticKey) Key(context.Context, *jwt.Token) (any, error) { return k.key, nil }

// check finds keys that no token can be checked with, and secrets that are shorter than RFC 7518
// §3.2 asks for.
func (k staticKey) check(methods []string, wrong *mistakes) {
	keys := []jwt.VerificationKey{k.key}
	if set, ok := k.key.(jwt.VerificationKeySet); ok {
		keys = set.Keys
	}
	if len(keys) == 0 {
		wrong.add("Keys: StaticKey of no key")
	}
	for _, key := range keys {
		fits := false
		for _, name := range methods {
			method := jwt.GetSigningMethod(name)
			if method == nil || errors.Is(method.Verify("", nil, key), jwt.ErrInvalidKeyType) {
				continue
			}
			fits = true
			secret, _ := key.([]byte)
			if hmac, ok := method.(*jwt.SigningMethodHMAC); ok && len(secret) < hmac.Hash.Size() {
				wrong.add("Keys: a secret of %d bytes: %s needs %d (RFC 7518 §3.2)", len(secret), name, hmac.Hash.Size())
			}
		}
		if !fits && slices.ContainsFunc(methods, known) {
			if key == nil {
				wrong.add("Keys: the key is nil")
			} else {
				wrong.add("Keys: a %T fits none of the Methods %q", key, methods)
			}
		}
	}
}

func known(method string) bool {
	return method != jwt.SigningMethodNone.Alg() && jwt.GetSigningMethod(method) != nil
}

// A KeySet is what the Keyfunc of github.com/MicahParks/keyfunc/v3 is.
type KeySet interface {
	KeyfuncCtx(ctx context.Context) jwt.Keyfunc
	VerificationKeySet(ctx context.Context) (jwt.VerificationKeySet, error)
}

// FromKeySet adapts the Keyfunc of github.com/MicahParks/keyfunc/v3. An unknown key of a set that
// is empty, because it could never be fetched, is unavailable, not a bad token. Package jwks goes
// further: it starts without its server, and tells the two apart for a key that appeared while the
// server was down.
func FromKeySet(set KeySet) Keys { return keySet{set} }

type keySet struct{ set KeySet }

func (k keySet) Key(ctx context.Context, token *jwt.Token) (any, error) {
	key, err := k.set.KeyfuncCtx(ctx)(token)
	if err == nil {
		return key, nil
	}
	if all, allErr := k.set.VerificationKeySet(ctx); allErr != nil || len(all.Keys) == 0 {
		return nil, fmt.Errorf("%w: the set is empty: %w", ErrKeysUnavailable, err)
	}
	return nil, err
}

// identity is what of an unverified token may choose a key.
func identity(token *jwt.Token) (*jwt.Token, string) {
	issuer, _ := token.Claims.GetIssuer()
	return &jwt.Token{Method: token.Method, Header: token.Header, Claims: jwt.RegisteredClaims{Issuer: issuer}}, issuer
}
