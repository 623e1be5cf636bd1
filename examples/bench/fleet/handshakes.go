package fleet

import (
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"
)

const (
	users   = 64
	atATime = askers
)

// housekeeping are the commands that a process sends by the clock, those with which a connection begins, and idle's.
var housekeeping = []string{"XREAD", "EVAL", "HELLO", "CLIENT", "PING", "INFO", "KEYS"}

// handshakes has users connect and leave.
func handshakes(redis string, o order, n Sizes) (figures, error) {
	o.Redis = redis
	r, err := start(o)
	if err != nil {
		return nil, err
	}
	defer r.Kill()
	want := ws.StatusNormalClosure
	if o.Spent {
		want = 4429
	}
	come := func(n int) (took time.Duration, times []time.Duration, told int, err error) {
		var seen atomic.Int64
		until101 := make([]time.Duration, n)
		took, _, err = atOnce(n, func(i int) error {
			begun := time.Now()
			c, err := connect(r.Addr, fmt.Sprint("user-", i%users))
			if err != nil {
				return err
			}
			until101[i] = time.Since(begun)
			if code, err := c.leave(); err == nil && code == want {
				seen.Add(1)
			}
			return nil
		})
		return took, until101, int(seen.Load()), err
	}
	for range 4 { // Redis knows its scripts and the users, and where they are refused this server does
		if _, _, _, err := come(users); err != nil {
			return nil, err
		}
	}
	before, err := idle(r, redis)
	if err != nil {
		return nil, err
	}
	redisBefore, err := redisCPU(redis)
	if err != nil {
		return nil, err
	}
	took, times, told, err := come(n.Handshakes)
	if err != nil {
		return nil, err
	}
	after, err := idle(r, redis)
	if err != nil {
		return nil, err
	}
	redisAfter, err := redisCPU(redis)
	if err != nil {
		return nil, err
	}

	m, err := watch(redis)
	if err != nil {
		return nil, err
	}
	_, _, again, err := come(n.Counted)
	if err != nil {
		return nil, err
	}
	if _, err := idle(r, redis); err != nil {
		return nil, err
	}
	commands, err := m.stop()
	if err != nil {
		return nil, err
	}
	waited := 0
	for name, calls := range commands {
		if name != "ZREM" && !slices.Contains(housekeeping, name) {
			waited += calls
		}
	}
	return figures{
		"commands": float64(waited) / float64(n.Counted), "later": float64(commands["ZREM"]) / float64(n.Counted),
		"cpu-µs": micro(after.CPU-before.CPU) / float64(n.Handshakes), "redis-cpu-µs": micro(redisAfter-redisBefore) / float64(n.Handshakes),
		"hs/s": float64(n.Handshakes) / took.Seconds(), "p50-µs": micro(percentile(times, 50)), "p99-µs": micro(percentile(times, 99)),
		"told-%": 100 * float64(told+again) / float64(n.Handshakes+n.Counted),
	}, nil
}
