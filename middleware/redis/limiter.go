package fleet

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/wsverdict/wsverdict/middleware"
)

//go:embed limiter.lua
var limiterSource string

var limiterScript = redis.NewScript(limiterSource)

// A Limiter counts for the whole fleet, exactly as a [middleware.MemoryLimiter] does in one
// process: GCRA, in one round trip, by Redis's clock. What it must not ask it does not ask: see
// [Config.TokensAhead], and a key that was refused is refused without a round trip until its wait
// is over, which changes no answer. It is safe for concurrent use.
type Limiter struct {
	fleet *Fleet
	known allowance
}

var _ middleware.Limiter = (*Limiter)(nil)

func (l *Limiter) init(f *Fleet) {
	l.fleet = f
	l.known.init(f.cfg.TokensAhead)
}

// Take implements [middleware.Limiter]. It fails when Redis does, and for a rate that is wrong. A
// cost below 1 counts as 1.
func (l *Limiter) Take(ctx context.Context, key middleware.Key, rate middleware.Rate, cost int) (middleware.Taken, error) {
	if err := rate.Check(); err != nil {
		return middleware.Taken{}, err
	}
	cost = max(1, cost)
	bucket := counted{key, rate}
	now := time.Now()
	t, ahead, ok := l.known.take(bucket, cost, now)
	if ok {
		l.fleet.counts.local.Add(1)
		return t, nil
	}
	cmd, err := l.fleet.run(ctx, l.fleet.soon(), OpTakeTokens, limiterScript, []string{l.fleet.names.rate(key.String())},
		int64(rate.Interval()), rate.Capacity(), cost, ahead)
	if err != nil {
		return middleware.Taken{}, err
	}
	reply, err := cmd.Int64Slice()
	if err == nil && len(reply) != 4 {
		err = fmt.Errorf("%d values, want 4", len(reply))
	}
	if err != nil {
		return middleware.Taken{}, l.fleet.failed(OpTakeTokens, err)
	}
	t = middleware.Taken{Allowed: reply[0] == 1, Remaining: int(reply[1] + reply[3]), Wait: time.Duration(reply[2])}
	// The wait is counted from before the question was asked: it is never over later than Redis
	// would say.
	l.known.learn(bucket, cost, t, int(reply[3]), now)
	return t, nil
}
