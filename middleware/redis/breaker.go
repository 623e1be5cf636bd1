package fleet

import (
	"sync/atomic"
	"time"
)

// A breaker keeps a Redis that is gone from costing every handshake its timeout: after some
// failures in a row it lets one attempt through at a time and now and then, until one succeeds.
type breaker struct {
	failures atomic.Int32
	next     atomic.Int64 // when the next attempt may be made, in nanoseconds since 1970 of this process's own clock
}

const (
	patience   = 5               // failures in a row
	retryAfter = time.Second / 2 // between attempts
)

func (b *breaker) allow(now time.Time) bool {
	if b.failures.Load() < patience {
		return true
	}
	next := b.next.Load()
	// A clock that was set back must not keep the breaker open.
	early := now.UnixNano() < next && now.Add(retryAfter).UnixNano() >= next
	return !early && b.next.CompareAndSwap(next, now.Add(retryAfter).UnixNano())
}

func (b *breaker) failed(now time.Time) {
	if b.failures.Add(1) == patience {
		b.next.Store(now.Add(retryAfter).UnixNano())
	}
}

func (b *breaker) succeeded() {
	if b.failures.Load() != 0 { // no write on the usual path
		b.failures.Store(0)
	}
}

func (b *breaker) open() bool { return b.failures.Load() >= patience }
