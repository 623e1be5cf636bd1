package middleware

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
)

// A RateLimitConfig says how often handshakes (and other requests behind the same link) may come.
type RateLimitConfig struct {
	// Rate is how much each key is allowed. Required.
	Rate Rate

	// RateFor, if given, is the rate of one request: of its tenant or plan. Where ok is false, Rate
	// counts; so it does where the rate is wrong ([Rate.Check]), and OnError is told. It is called
	// concurrently.
	RateFor func(r *http.Request) (rate Rate, ok bool)

	// Key says who is counted together: [ByIP], [BySubject] (behind the policy that finds out the
	// subject), or a function of the user's own. nil means ByIP.
	Key KeyFunc

	// Cost is what a request costs in tokens; below 1 counts as 1. nil means 1.
	Cost func(r *http.Request) int

	// Limiter counts. nil means a [MemoryLimiter] of its own.
	Limiter Limiter

	// Timeout is how long a request waits for a Limiter of the user's own, also for one that
	// ignores its context. 0 means 250 ms.
	Timeout time.Duration

	// OnFailure says what happens when the Limiter fails. By default a MemoryLimiter takes over for
	// that request, with the same rate and key.
	OnFailure FailureMode

	// OnError, if given, is told of every failure of the Limiter, and of rates that are wrong. r is nil
	// where a message was counted ([MessageRate]).
	OnError func(r *http.Request, err error)

	// MaxKeys bounds the MemoryLimiter (the only one, or the one that takes over). 0 means
	// [DefaultMaxKeys].
	MaxKeys int

	// Name is the policy's name in the RateLimit header fields, and part of the keys that a Limiter
	// of the user's own is asked for: two that share a Limiter share buckets if they share a name.
	// "" means "default".
	Name string
}

// A RateLimit is the policy that denies who comes too often: 429 rate_limited;do=backoff;after=….
// On HTTP it carries Retry-After, and RateLimit and RateLimit-Policy as
// draft-ietf-httpapi-ratelimit-headers-10 has them, with the rate that was applied.
type RateLimit struct {
	rate    Rate
	rateFor func(*http.Request) (Rate, bool)
	key     KeyFunc
	cost    func(*http.Request) int
	limiter Limiter // nil: local alone
	local   *MemoryLimiter
	remote  remote
	name    string // quoted
	denied  policy.Verdict
}

// NewRateLimit returns a RateLimit with buckets of its own. The error lists every mistake in cfg.
func NewRateLimit(cfg RateLimitConfig) (*RateLimit, error) {
	var wrong mistakes
	cfg.Rate.check(&wrong)
	cfg.Name = cmp.Or(cfg.Name, "default")
	l := &RateLimit{rate: cfg.Rate, rateFor: cfg.RateFor, key: cfg.Key, cost: cfg.Cost, limiter: cfg.Limiter, name: strconv.Quote(cfg.Name),
		remote: newRemote(cfg.Limiter, cfg.Timeout, cfg.OnFailure, cfg.OnError, cfg.Name, &wrong)}
	if l.key == nil {
		l.key = ByIP
	}
	var err error
	if l.local, err = NewMemoryLimiter(cfg.MaxKeys); err != nil {
		wrong.add("MaxKeys must be 0 to 2^28")
	}
	if err := wrong.err("NewRateLimit"); err != nil {
		return nil, err
	}
	l.denied = l.denial(l.rate)
	return l, nil
}

// MustRateLimit is [NewRateLimit] for package variables: it panics on mistakes.
func MustRateLimit(cfg RateLimitConfig) *RateLimit {
	l, err := NewRateLimit(cfg)
	if err != nil {
		panic(err)
	}
	return l
}

var (
	rateLimited = policy.Close(codes.TooManyRequests, "rate_limited")
	noKey       = policy.Close(codes.InternalServerError, "rate_limit_key_missing")
	noLimiter   = policy.Close(codes.ServiceUnavailable, "rate_limit_unavailable")
)

func (l *RateLimit) denial(q Rate) policy.Verdict {
	return rateLimited.WithHeader("RateLimit-Policy", l.name+q.quota())
}

// Judge is the policy.
func (l *RateLimit) Judge(r *http.Request) policy.Verdict {
	key, ok := l.key(r)
	if !ok {
		return noKey
	}
	cost := 1
	if l.cost != nil {
		cost = max(1, l.cost(r))
	}
	return l.judge(r.Context(), r, key, l.rateOf(r), cost)
}

// judge counts; r is nil for a message.
func (l *RateLimit) judge(ctx context.Context, r *http.Request, key Key, rate Rate, cost int) policy.Verdict {
	taken, err := l.take(ctx, r, key, rate, cost)
	switch {
	case err != nil && l.remote.mode == InsecureAllowOnFailure, err == nil && taken.Allowed:
		return policy.Allow()
	case err != nil:
		return noLimiter.WithCause(err)
	}
	return l.deny(rate, taken)
}

// Name is "rate_limit".
func (l *RateLimit) Name() string { return "rate_limit" }

func (l *RateLimit) rateOf(r *http.Request) Rate {
	if l.rateFor == nil {
		return l.rate
	}
	rate, ok := l.rateFor(r)
	if !ok {
		return l.rate
	}
	if rate.full() <= 0 {
		l.remote.failed(r, fmt.Errorf("middleware: RateFor: %w", rate.Check()))
		return l.rate
	}
	return rate
}

func (l *RateLimit) take(ctx context.Context, r *http.Request, key Key, rate Rate, cost int) (Taken, error) {
	if l.limiter == nil {
		return l.local.Take(ctx, key, rate, cost)
	}
	taken, err := ask(ctx, &l.remote, func(ctx context.Context) (Taken, error) {
		return l.limiter.Take(ctx, key.in(l.remote.scope), rate, cost)
	}, nil)
	if err == nil {
		return taken, nil
	}
	l.remote.failed(r, err)
	if l.remote.mode == FallBackToMemory {
		return l.local.Take(ctx, key, rate, cost)
	}
	return Taken{}, err
}

func (l *RateLimit) deny(rate Rate, t Taken) policy.Verdict {
	v := l.denied
	if rate != l.rate {
		v = l.denial(rate)
	}
	v = v.WithAfter(t.Wait)
	wait := int64(v.After() / time.Second)
	var buf [96]byte
	field := append(append(buf[:0], l.name...), ";r="...)
	field = strconv.AppendInt(field, int64(max(0, t.Remaining)), 10)
	field = strconv.AppendInt(append(field, ";t="...), wait, 10)
	return v.WithHeader("RateLimit", string(field))
}
