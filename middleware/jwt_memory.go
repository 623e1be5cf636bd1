package middleware

import (
	"context"
	"errors"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/middleware/internal/deepcopy"
	"github.com/wsverdict/wsverdict/middleware/internal/flight"
	"github.com/wsverdict/wsverdict/middleware/internal/memo"
	"github.com/wsverdict/wsverdict/policy"
)

// errRefusedBefore is the cause of a denial that was remembered: the token's own was reported when
// it came first.
var errRefusedBefore = errors.New("middleware: the same token was refused before")

var jwtFailed = policy.Close(codes.InternalServerError, "internal_error")

// A memory has what was found out about tokens ([JWTConfig.Remember]). Tokens themselves are not in
// it: they are known by a keyed hash over all of the token.
type memory[C any] struct {
	hash    memo.Hash
	good    *memo.Table[*verified[C]]
	bad     *memo.Table[refused] // apart, so that a flood of bad tokens makes nobody's good one be forgotten
	flights flight.Group[memo.Key, *verified[C]]
	life    time.Duration
	keys    VersionedKeys // nil where they cannot change, or cannot tell
	lasting bool          // a bad signature stays bad as long as the generation does
	copies  func(*C) (*C, error)
}

// A verified is what was found out about one token.
type verified[C any] struct {
	claims     *C // never handed out: others get copies
	verdict    policy.Verdict
	generation uint64 // of the keys
}

type refused struct {
	answer     *policy.Verdict
	generation uint64
	valid      int64 // when the token becomes valid, in nanoseconds since 1970; 0 if never
}

// unversioned is how long is remembered what keys have signed that cannot tell when they change,
// and versioned for all others.
const (
	unversioned = time.Minute
	versioned   = time.Hour
)

func newMemory[C any](cfg JWTConfig[C], copies func(*C) (*C, error)) *memory[C] {
	m := &memory[C]{
		good:   memo.New[*verified[C]](cfg.Remember),
		bad:    memo.New[refused](cfg.Remember),
		hash:   memo.NewHash(),
		life:   cfg.RememberFor,
		copies: copies,
	}
	m.keys, m.lasting = cfg.Keys.(VersionedKeys)
	if _, static := cfg.Keys.(staticKey); static {
		m.lasting = true
	}
	switch {
	case m.life != 0:
	case m.lasting:
		m.life = versioned
	default:
		m.life = unversioned
	}
	return m
}

func (m *memory[C]) generation() uint64 {
	if m.keys == nil {
		return 0
	}
	return m.keys.Generation()
}

// recall is check by heart.
func (j *JWT[C]) recall(ctx context.Context, token string) (*C, policy.Verdict) {
	m := j.memory
	key := m.hash.Key(token)
	now, generation := time.Now(), m.generation()
	if k, ok := m.good.Get(key, now); ok && k.generation == generation {
		if err := j.revalidate(k.claims); err != nil {
			return nil, j.answers.claims.WithCause(err)
		}
		return k.claims, k.verdict
	}
	if r, ok := m.bad.Get(key, now); ok && r.generation == generation {
		v := r.answer.WithCause(errRefusedBefore)
		if r.valid != 0 {
			v = v.WithAfter(time.Duration(r.valid - now.UnixNano()))
		}
		return nil, v
	}
	k, err := m.flights.Do(ctx, key, func(ctx context.Context) (*verified[C], error) {
		k := &verified[C]{generation: m.generation()} // before the key is asked for: what changes meanwhile counts
		k.claims, k.verdict = j.check(ctx, token)
		j.keep(key, k)
		return k, nil
	})
	switch {
	case err == nil:
		return k.claims, k.verdict
	case ctx.Err() != nil:
		return nil, j.answers.keysUnavailable.WithCause(err)
	}
	return nil, jwtFailed.WithCause(err) // a panic in the claims' methods
}

// keep remembers k for as long as nothing can change it.
func (j *JWT[C]) keep(key memo.Key, k *verified[C]) {
	m := j.memory
	now := time.Now()
	until := now.Add(m.life)
	if k.verdict.Allowed() {
		if _, err := m.copies(k.claims); err != nil {
			return
		}
		if exp, err := j.asClaims(k.claims).GetExpirationTime(); err == nil && exp != nil {
			if end := exp.Add(j.config.Leeway); end.Before(until) {
				until = end
			}
		}
		m.good.Put(key, k, now, until)
		return
	}
	r := refused{answer: j.finally(k.verdict), generation: k.generation}
	switch r.answer {
	case nil:
		return
	case &j.answers.notYet:
		// The wait was rounded up to a second.
		valid := now.Add(k.verdict.After())
		if r.valid = valid.UnixNano(); valid.Add(-time.Second).Before(until) {
			until = valid.Add(-time.Second)
		}
	}
	m.bad.Put(key, r, now, until)
}

// finally returns the answer that v is, if the same token would get it again with the same keys,
// nil if not: an unknown key may become known, and of claims that refused themselves it is not
// known why.
func (j *JWT[C]) finally(v policy.Verdict) *policy.Verdict {
	a := &j.answers
	for _, answer := range []*policy.Verdict{&a.malformed, &a.expired, &a.notYet, &a.typ, &a.audience, &a.issuer} {
		if v.Is(*answer) {
			return answer
		}
	}
	switch {
	case v.Is(a.signature) && errors.Is(v, jwt.ErrTokenSignatureInvalid) && j.memory.lasting:
		return &a.signature
	case v.Is(a.claims) && errors.Is(v, jwt.ErrTokenRequiredClaimMissing):
		return &a.claims
	}
	return nil
}

// revalidate asks claims that have a Validate of their own again: what it goes by is not known.
func (j *JWT[C]) revalidate(claims *C) error {
	if !j.validates {
		return nil
	}
	return j.asClaims(j.own(claims)).(jwt.ClaimsValidator).Validate()
}

// own is a copy of the claims that nobody else has, where they are remembered.
func (j *JWT[C]) own(claims *C) *C {
	if j.memory != nil {
		if c, err := j.memory.copies(claims); err == nil { // else they were not remembered
			return c
		}
	}
	return claims
}

// copier finds claims that cannot be remembered.
func copier[C any](remember int) (func(*C) (*C, error), error) {
	if remember == 0 {
		return nil, nil
	}
	return deepcopy.Of[C]()
}
