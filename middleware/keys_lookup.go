package middleware

import (
	"context"
	"errors"
	"hash/maphash"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/wsverdict/wsverdict/middleware/internal/flight"
	"github.com/wsverdict/wsverdict/middleware/internal/within"
)

var (
	errEmptySet    = errors.New("middleware: the set of keys is empty")
	errManyUnknown = errors.New("middleware: too many look-ups of unknown keys have failed")
)

// A lookup asks Keys on behalf of one JWT.
type lookup struct {
	keys    Keys
	local   LocalKeys // nil if they are not
	timeout time.Duration
	guard   *within.Guard
	flights flight.Group[keyID, any]
	failed  budget

	// found has hashes of keyIDs that a key was found for, in a table where one takes another's
	// place. Those are asked for whatever the budget says: a flood of unknown keys does not lock
	// out who has a known one.
	seed  maphash.Seed
	found [1024]atomic.Uint64
}

// A keyID is all that Keys know of a token.
type keyID struct{ header, issuer string }

func newLookup(keys Keys, timeout time.Duration) *lookup {
	l := &lookup{keys: keys, timeout: timeout, guard: within.NewGuard(0), seed: maphash.MakeSeed(), failed: budget{start: time.Now()}}
	l.local, _ = keys.(LocalKeys)
	return l
}

func (l *lookup) key(ctx context.Context, full *jwt.Token) (any, error) {
	token, issuer := identity(full)
	if l.local != nil {
		if key, ok := l.local.Local(token); ok {
			return key, nil
		}
	}
	header, _, _ := strings.Cut(full.Raw, ".")
	id := keyID{header, issuer}
	hash := max(1, maphash.Comparable(l.seed, id)) // 0 is free
	slot := &l.found[hash%uint64(len(l.found))]
	var key any
	var err error
	if slot.Load() == hash {
		if key, err = l.ask(ctx, token); err != nil {
			slot.CompareAndSwap(hash, 0)
		}
	} else {
		if l.failed.spent() {
			return nil, errManyUnknown
		}
		key, err = l.flights.Do(ctx, id, func(ctx context.Context) (any, error) {
			key, err := l.ask(ctx, token)
			if err != nil {
				l.failed.charge()
			} else {
				slot.Store(hash)
			}
			return key, err
		})
	}
	if err != nil {
		return nil, &keyError{err, words(err, token, issuer)}
	}
	return key, nil
}

func (l *lookup) ask(ctx context.Context, token *jwt.Token) (any, error) {
	key, err := within.Call(ctx, l.guard, l.timeout, func(ctx context.Context) (any, error) { return l.keys.Key(ctx, token) })
	if set, ok := key.(jwt.VerificationKeySet); err == nil && ok && len(set.Keys) == 0 {
		return nil, errEmptySet
	}
	return key, err
}

// A keyError is an error of Keys whose text has nothing of the token.
type keyError struct {
	err  error
	text string
}

func (e *keyError) Error() string { return e.text }
func (e *keyError) Unwrap() error { return e.err }

// words are the text of err, or of the first error in its chain that does not repeat what an
// unverified token says: at most 256 bytes.
func words(err error, token *jwt.Token, issuer string) string {
	said := spelled(nil, issuer)
	for name, value := range token.Header {
		if name != "alg" && name != "typ" {
			said = spelled(said, value)
		}
	}
	for ; err != nil; err = errors.Unwrap(err) {
		text := err.Error()
		_, isURL := err.(*url.Error) // which may be made of anything, and escaped
		if !isURL && !slices.ContainsFunc(said, func(s string) bool { return s != "" && strings.Contains(text, s) }) {
			return text[:min(len(text), 256)]
		}
	}
	return "the look-up failed, with an error that repeats what the token says"
}

// spelled appends the strings in a JSON value as they are, and as %q would have them.
func spelled(said []string, value any) []string {
	switch v := value.(type) {
	case string:
		quoted, ascii := strconv.Quote(v), strconv.QuoteToASCII(v)
		return append(said, v, quoted[1:len(quoted)-1], ascii[1:len(ascii)-1])
	case []any:
		for _, e := range v {
			said = spelled(said, e)
		}
	case map[string]any:
		for name, e := range v {
			said = spelled(spelled(said, name), e)
		}
	}
	return said
}

// A budget is for look-ups that fail: 100 at once, and 10 a second.
type budget struct {
	start time.Time
	full  atomic.Int64 // when all of it is there again, in nanoseconds since start
}

const (
	budgetFailures = 100
	budgetInterval = int64(time.Second / 10)
)

func (b *budget) spent() bool {
	return b.full.Load()-int64(time.Since(b.start)) > (budgetFailures-1)*budgetInterval
}

func (b *budget) charge() {
	for {
		old := b.full.Load()
		if b.full.CompareAndSwap(old, max(old, int64(time.Since(b.start)))+budgetInterval) {
			return
		}
	}
}
