package middleware

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"sync"

	"github.com/golang-jwt/jwt/v5"

	"github.com/wsverdict/wsverdict/middleware/internal/unique"
	"github.com/wsverdict/wsverdict/middleware/internal/within"
	"github.com/wsverdict/wsverdict/policy"
)

var (
	errTooLong  = errors.New("middleware: the token is longer than MaxToken")
	errCritical = errors.New("middleware: the token has extensions that must be understood (crit)")
	errType     = errors.New("middleware: the token's typ is not JWTConfig.Type")
)

// verify looks at a token alone. Its verdict is that of the policy.
func (j *JWT[C]) verify(ctx context.Context, token string) (*C, policy.Verdict) {
	if len(token) > MaxToken {
		return nil, j.answers.malformed.WithCause(errTooLong)
	}
	var claims *C
	var v policy.Verdict
	if j.memory != nil {
		claims, v = j.recall(ctx, token)
	} else {
		claims, v = j.check(ctx, token)
	}
	if v.Allowed() {
		if denied := j.checkRevoked(ctx, claims); !denied.Allowed() {
			return nil, denied
		}
	}
	return claims, v
}

// checkRevoked asks about good claims.
func (j *JWT[C]) checkRevoked(ctx context.Context, claims *C) policy.Verdict {
	if j.config.Revoked == nil {
		return policy.Allow()
	}
	revoked, err := within.Call(ctx, j.revoking, j.config.Timeout, func(ctx context.Context) (bool, error) {
		return j.config.Revoked(ctx, *j.own(claims))
	})
	switch {
	case err != nil:
		return j.answers.revocationUnavailable.WithCause(err)
	case revoked:
		return j.answers.revoked
	}
	return policy.Allow()
}

// check is all of verify but what may change from one moment to the next.
func (j *JWT[C]) check(ctx context.Context, token string) (*C, policy.Verdict) {
	keyfunc := j.static
	if keyfunc == nil {
		keyfunc = func(t *jwt.Token) (any, error) { return j.lookup.key(ctx, t) }
	}
	claims := new(C)
	parsed, err := j.parser.ParseWithClaims(token, j.asClaims(claims), keyfunc)
	if err == nil || signed(err) {
		if v := j.checkForm(parsed); !v.Allowed() {
			return nil, v
		}
	}
	if err != nil {
		return nil, j.denial(err, j.asClaims(claims))
	}
	return claims, j.admit(policy.Allow(), claims)
}

// signed tells errors about the claims of a token with a good signature from all others.
func signed(err error) bool {
	return errors.Is(err, jwt.ErrTokenInvalidClaims) && !errors.Is(err, jwt.ErrTokenMalformed) && !errors.Is(err, jwt.ErrTokenUnverifiable)
}

// registered are the claims that are looked at here, and that encoding/json takes in any case (RFC
// 7519 §4.1).
var registered = unique.Names("iss", "sub", "aud", "exp", "nbf", "iat", "jti")

// checkForm finds what golang-jwt lets pass: tokens that another reader understands differently,
// and extensions that must be understood (RFC 7515 §4.1.11), of which there is none here.
func (j *JWT[C]) checkForm(t *jwt.Token) policy.Verdict {
	header, rest, _ := strings.Cut(t.Raw, ".")
	claims, _, _ := strings.Cut(rest, ".")
	b := buffers.Get().(*buffer)
	defer buffers.Put(b)
	err := unique.Check(b.decode(header), nil)
	if err == nil {
		err = unique.Check(b.decode(claims), registered)
	}
	if err != nil {
		return j.answers.malformed.WithCause(err)
	}
	if _, ok := t.Header["crit"]; ok {
		return j.answers.malformed.WithCause(errCritical)
	}
	if j.typ != "" {
		if typ, _ := t.Header["typ"].(string); mediaType(typ) != j.typ {
			return j.answers.typ.WithCause(errType)
		}
	}
	return policy.Allow()
}

// A buffer is what a segment is decoded with, once more: golang-jwt keeps what it decoded to itself.
type buffer struct {
	text [MaxToken]byte
	data [MaxToken]byte
}

var buffers = sync.Pool{New: func() any { return new(buffer) }}

// decode returns nil for what is no base64url. Padding is golang-jwt's to refuse.
func (b *buffer) decode(segment string) []byte {
	n := copy(b.text[:], strings.TrimRight(segment, "="))
	n, err := base64.RawURLEncoding.Decode(b.data[:], b.text[:n])
	if err != nil {
		return nil
	}
	return b.data[:n]
}
