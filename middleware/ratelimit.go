package middleware

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
)

// A RateLimitConfig says how often handshakes (and other requests behind the same link) may come.
type RateLimitConfig struct {
	// Rate tokens per Per are allowed on average. Required.
	Rate int
	Per  time.Duration

	// Burst is what may come at once. 0 means Rate.
	Burst int

	// Key says who is counted together: [ByIP], a JWT handle's BySubject, or a function of the user's own. nil means ByIP.
	Key KeyFunc

	// Cost is what a request costs in tokens; below 1 counts as 1. nil means 1.
	Cost func(r *http.Request) int

	// Limiter counts; it has its own idea of the rate, which should be the same. nil means a [MemoryLimiter].
	Limiter Limiter

	// Timeout bounds a Limiter of the user's own, on top of the request's context. 0 means 250 ms.
	Timeout time.Duration

	// OnFailure says what happens when the Limiter fails. By default a MemoryLimiter with the same rate takes over for that
	// request.
	OnFailure FailureMode

	// OnError, if given, is told of every failure of the Limiter.
	OnError func(r *http.Request, err error)

	// MaxKeys bounds the MemoryLimiter (the only one, or the one that takes over). 0 means [DefaultMaxKeys].
	MaxKeys int

	// Name is the policy's name in the RateLimit header fields. "" means "default".
	Name string
}

// A FailureMode says what a RateLimit does when its Limiter fails. No mode but the one called insecure means unlimited.
type FailureMode uint8

const (
	// FallBackToMemory: this process counts alone.
	FallBackToMemory FailureMode = iota
	// DenyOnFailure: 503 rate_limit_unavailable.
	DenyOnFailure
	// InsecureAllowOnFailure: whoever brings the Limiter down is unlimited.
	InsecureAllowOnFailure
)

// A RateLimit is the policy that denies who comes too often: 429 rate_limited;do=backoff;after=…. On HTTP it carries
// Retry-After, and RateLimit and RateLimit-Policy as draft-ietf-httpapi-ratelimit-headers-10 has them.
type RateLimit struct {
	key     KeyFunc
	cost    func(*http.Request) int
	remote  Limiter // nil: local alone
	local   *MemoryLimiter
	timeout time.Duration
	mode    FailureMode
	onError func(*http.Request, error)
	name    string // quoted
	denied  policy.Verdict
}

// NewRateLimit returns a RateLimit with buckets of its own. The error lists every mistake in cfg.
func NewRateLimit(cfg RateLimitConfig) (*RateLimit, error) {
	rate := Rate{cfg.Rate, cfg.Per, cfg.Burst}
	if cfg.Name == "" {
		cfg.Name = "default"
	}
	var wrong mistakes
	rate.check(&wrong)
	if cfg.OnFailure > InsecureAllowOnFailure {
		wrong.add("OnFailure is none of the modes")
	}
	if cfg.Timeout < 0 {
		wrong.add("Timeout is negative")
	}
	if cfg.MaxKeys < 0 || cfg.MaxKeys > 1<<28 {
		wrong.add("MaxKeys must be 0 to 2^28")
	}
	if !validRealm(cfg.Name) {
		wrong.add("Name: %q: want printable ASCII without quotes and backslashes", cfg.Name)
	}
	if err := wrong.err("NewRateLimit"); err != nil {
		return nil, err
	}
	local, err := NewMemoryLimiter(rate, cfg.MaxKeys)
	if err != nil {
		return nil, err
	}
	l := &RateLimit{key: cfg.Key, cost: cfg.Cost, remote: cfg.Limiter, local: local, timeout: cfg.Timeout,
		mode: cfg.OnFailure, onError: cfg.OnError, name: strconv.Quote(cfg.Name)}
	if l.key == nil {
		l.key = ByIP
	}
	if l.timeout == 0 {
		l.timeout = 250 * time.Millisecond
	}
	quota := l.name + ";q=" + strconv.Itoa(rate.Requests) + ";w=" + strconv.FormatInt(max(1, int64(cfg.Per/time.Second)), 10)
	l.denied = policy.Close(codes.TooManyRequests, "rate_limited").WithHeader("Ratelimit-Policy", quota)
	return l, nil
}

var (
	noKey     = policy.Close(codes.InternalServerError, "rate_limit_key_missing")
	noLimiter = policy.Close(codes.ServiceUnavailable, "rate_limit_unavailable")
)

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
	taken, err := l.take(r, key, cost)
	switch {
	case err != nil && l.mode == InsecureAllowOnFailure, err == nil && taken.Allowed:
		return policy.Allow()
	case err != nil:
		return noLimiter.WithCause(err)
	}
	return l.deny(taken)
}

// Name is "rate_limit".
func (l *RateLimit) Name() string { return "rate_limit" }

func (l *RateLimit) take(r *http.Request, key Key, cost int) (Taken, error) {
	if l.remote == nil {
		return l.local.Take(r.Context(), key, cost)
	}
	ctx, cancel := context.WithTimeout(r.Context(), l.timeout)
	defer cancel()
	taken, err := l.remote.Take(ctx, key, cost)
	if err == nil {
		return taken, nil
	}
	if l.onError != nil {
		l.onError(r, err)
	}
	if l.mode == FallBackToMemory {
		return l.local.Take(r.Context(), key, cost)
	}
	return Taken{}, err
}

func (l *RateLimit) deny(t Taken) policy.Verdict {
	v := l.denied.WithAfter(t.Wait)
	wait := int64(v.After() / time.Second)
	var buf [96]byte
	field := append(append(buf[:0], l.name...), ";r="...)
	field = strconv.AppendInt(field, int64(max(0, t.Remaining)), 10)
	field = strconv.AppendInt(append(field, ";t="...), wait, 10)
	return v.WithHeader("Ratelimit", string(field))
}
