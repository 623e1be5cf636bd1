package jwks

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"

	"github.com/wsverdict/wsverdict/middleware"
	"github.com/wsverdict/wsverdict/middleware/internal/flight"
)

// Keys are the keys of one server. They are middleware.LocalKeys and middleware.VersionedKeys, and
// safe for concurrent use.
type Keys struct {
	cfg        Config
	set        *jwkset.MemoryJWKSet
	find       jwt.Keyfunc
	fetches    flight.Group[struct{}, struct{}]
	generation atomic.Uint64
	ready      chan struct{} // closed when the set was fetched

	mu   sync.Mutex
	raw  []byte    // what was fetched last
	last time.Time // the last fetch
	err  error     // and how it went; errNever at first
}

var (
	_ middleware.LocalKeys     = (*Keys)(nil)
	_ middleware.VersionedKeys = (*Keys)(nil)

	errNever   = errors.New("jwks: the keys have not been fetched yet")
	errUnknown = errors.New("jwks: the set has no such key")
	errEmpty   = errors.New("jwks: the set has no keys")
)

// New returns the keys of cfg, and begins to fetch them; it does not wait for that. When ctx is
// done, fetching in the background ends. The error lists every mistake in cfg.
func New(ctx context.Context, cfg Config) (*Keys, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	cfg.defaults()
	k := &Keys{cfg: cfg, set: jwkset.NewMemoryStorage(), ready: make(chan struct{}), err: errNever}
	of, err := keyfunc.New(keyfunc.Options{Ctx: context.WithoutCancel(ctx), Storage: k.set})
	if err != nil {
		return nil, err
	}
	k.find = of.Keyfunc
	go k.run(ctx)
	return k, nil
}

// Must is for package variables, and panics on mistakes: jwks.Must(jwks.New(ctx, cfg)).
func Must(k *Keys, err error) *Keys {
	if err != nil {
		panic(err)
	}
	return k
}

// Ready waits until the keys have been fetched once. The error is ctx's, with the one of the last
// fetch.
func (k *Keys) Ready(ctx context.Context) error {
	select {
	case <-k.ready:
		return nil
	case <-ctx.Done():
		return errors.Join(ctx.Err(), k.Err())
	}
}

// Err returns how the last fetch went, nil if well: for health checks.
func (k *Keys) Err() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.err
}

// Generation counts how often the set was another than before, so that what was verified with a key
// that has been withdrawn is forgotten.
func (k *Keys) Generation() uint64 { return k.generation.Load() }

// Local returns the key that the token names, where it is in the set. For a token without a key id
// it is all of them.
func (k *Keys) Local(token *jwt.Token) (any, bool) {
	key, err := k.find(token)
	if all, ok := key.(jwt.VerificationKeySet); ok && len(all.Keys) == 0 {
		return nil, false
	}
	return key, err == nil
}

// Key is asked for keys that are not in the set, and has it fetched once more.
func (k *Keys) Key(ctx context.Context, token *jwt.Token) (any, error) {
	if fresh, err := k.fresh(); err != nil {
		return nil, fmt.Errorf("%w: %w", middleware.ErrKeysUnavailable, err)
	} else if !fresh {
		if err := k.fetchOnce(ctx); err != nil {
			return nil, fmt.Errorf("%w: %w", middleware.ErrKeysUnavailable, err)
		}
	}
	if key, ok := k.Local(token); ok {
		return key, nil
	}
	if all, err := k.set.KeyReadAll(ctx); err == nil && len(all) == 0 {
		return nil, fmt.Errorf("%w: %w", middleware.ErrKeysUnavailable, errEmpty)
	}
	return nil, errUnknown
}

// fresh reports whether the set was fetched so recently that it is not fetched again; err is why it
// could not be, as recently.
func (k *Keys) fresh() (fresh bool, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch age := time.Since(k.last); {
	case k.last.IsZero():
		return false, nil
	case k.err != nil && age < k.cfg.Cooldown/10:
		return false, k.err
	case k.err == nil && age < k.cfg.Cooldown:
		return true, nil
	}
	return false, nil
}

// run fetches in the background.
func (k *Keys) run(ctx context.Context) {
	pause := k.cfg.Cooldown / 10
	for {
		wait := k.cfg.Refresh
		if err := k.fetchOnce(ctx); err != nil {
			wait, pause = min(pause, wait), min(2*pause, time.Minute)
		} else {
			pause = k.cfg.Cooldown / 10
		}
		select {
		case <-time.After(wait/2 + rand.N(wait/2+1)): // many processes do not come at once
		case <-ctx.Done():
			return
		}
	}
}

// fetchOnce fetches the set, or waits for who does already.
func (k *Keys) fetchOnce(ctx context.Context) error {
	_, err := k.fetches.Do(ctx, struct{}{}, func(ctx context.Context) (none struct{}, err error) {
		ctx, cancel := context.WithTimeout(ctx, k.cfg.Timeout)
		defer cancel()
		raw, set, err := k.fetch(ctx)
		k.fetched(raw, set, err)
		if err != nil && k.cfg.OnError != nil {
			k.cfg.OnError(err)
		}
		return none, err
	})
	return err
}

func (k *Keys) fetched(raw []byte, set []jwkset.JWK, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.last, k.err = time.Now(), err
	if err != nil {
		return
	}
	if changed := string(raw) != string(k.raw); changed {
		k.raw = raw
		k.set.KeyReplaceAll(context.Background(), set) // in memory: it cannot fail
		k.generation.Add(1)
	}
	select {
	case <-k.ready:
	default:
		close(k.ready)
	}
}
