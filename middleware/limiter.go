package middleware

import (
	"context"
	"hash/maphash"
	"math"
	"math/bits"
	"sync"
	"time"
)

// A Limiter counts. Take asks for cost tokens of key's bucket, all or none; cost is at least 1. It is called concurrently, and
// its context is the request's, with [RateLimitConfig.Timeout]. [NewMemoryLimiter] is one; one that a fleet shares
// implements this interface.
type Limiter interface {
	Take(ctx context.Context, key Key, cost int) (Taken, error)
}

// Taken is what a [Limiter] says.
type Taken struct {
	Allowed   bool
	Remaining int           // tokens left
	Wait      time.Duration // if not allowed: until it would be; 0 if never (the cost exceeds the burst) or unknown
}

// A Rate is how much is allowed: Requests per Per on average, and Burst at once.
type Rate struct {
	Requests int           // tokens per Per; required
	Per      time.Duration // required
	Burst    int           // a full bucket; 0 means Requests
}

func (q Rate) check(wrong *mistakes) {
	switch {
	case q.Requests <= 0 || q.Per <= 0:
		wrong.add("Rate and Per must be positive")
	case q.Per/time.Duration(q.Requests) <= 0:
		wrong.add("Rate: more than one a nanosecond")
	case q.Burst < 0:
		wrong.add("Burst is negative")
	case q.burst() > math.MaxInt32 || time.Duration(q.burst()) > math.MaxInt64/4/q.interval():
		wrong.add("Burst is too large")
	}
}

func (q Rate) interval() time.Duration { return q.Per / time.Duration(q.Requests) }

func (q Rate) burst() int {
	if q.Burst == 0 {
		return q.Requests
	}
	return q.Burst
}

// A MemoryLimiter counts in this process. It is GCRA (a token bucket that stores one instant per key) in a table of
// fixed size: memory does not grow whatever keys arrive, nothing is allocated after its construction, and no
// goroutine runs. Keys are stored as hashes under a random seed, 64 bits wide.
//
// In a full table a new key takes the place of the one that has most tokens back in its part of the table, together with its
// bucket. So a flood of keys makes newcomers share buckets, and never gives anybody a fresh one for a spent one.
type MemoryLimiter struct {
	seed     maphash.Seed
	start    time.Time
	interval int64 // nanoseconds per token
	full     int64 // nanoseconds that a whole bucket takes to fill
	shift    uint
	sets     []bucketSet
}

// A bucketSet is two cache lines: a part of the table with a lock of its own.
type bucketSet struct {
	mu      sync.Mutex
	buckets [7]bucket
	_       [8]byte
}

type bucket struct {
	key uint64 // hash; 0 is free
	tat int64  // theoretical arrival time: when the bucket will be full again, in nanoseconds since start
}

// DefaultMaxKeys is how many keys a MemoryLimiter has place for by default. The table then takes 2 MiB.
const DefaultMaxKeys = 1 << 16

// NewMemoryLimiter returns a MemoryLimiter with place for at least maxKeys keys (0 means [DefaultMaxKeys]), at 18 to 37 bytes
// each. The error lists every mistake.
func NewMemoryLimiter(rate Rate, maxKeys int) (*MemoryLimiter, error) {
	var wrong mistakes
	rate.check(&wrong)
	if maxKeys < 0 || maxKeys > 1<<28 {
		wrong.add("maxKeys must be 0 to 2^28")
	}
	if err := wrong.err("NewMemoryLimiter"); err != nil {
		return nil, err
	}
	if maxKeys == 0 {
		maxKeys = DefaultMaxKeys
	}
	n := bits.Len(uint((maxKeys - 1) / len(bucketSet{}.buckets))) // a power of two of sets
	return &MemoryLimiter{
		seed:     maphash.MakeSeed(),
		start:    time.Now(),
		interval: int64(rate.interval()),
		full:     int64(rate.interval()) * int64(rate.burst()),
		shift:    uint(64 - n),
		sets:     make([]bucketSet, 1<<n),
	}, nil
}

// Take never fails, never waits and does not allocate. A cost below 1 counts as 1.
func (l *MemoryLimiter) Take(_ context.Context, key Key, cost int) (Taken, error) {
	hash := key.hash(l.seed)
	set := &l.sets[hash>>l.shift]
	hash |= 1 // 0 is free
	price := int64(max(1, cost))
	if price > l.full/l.interval {
		price = l.full + 1 // more than a bucket ever has
	} else {
		price *= l.interval
	}

	now := int64(time.Since(l.start))
	set.mu.Lock()
	b := set.find(hash)
	tat := max(b.tat, now) + price
	over := tat - now - l.full
	if over <= 0 {
		b.tat = tat
	}
	left := l.full - (max(b.tat, now) - now)
	set.mu.Unlock()

	t := Taken{Allowed: over <= 0, Remaining: int(left / l.interval)}
	if over > 0 && price <= l.full {
		t.Wait = time.Duration(over)
	}
	return t, nil
}

// find returns the key's bucket. A key that has none takes over the bucket that is fullest; a free one is full.
func (s *bucketSet) find(hash uint64) *bucket {
	fullest := &s.buckets[0]
	for i := range s.buckets {
		b := &s.buckets[i]
		if b.key == hash {
			return b
		}
		if b.tat < fullest.tat {
			fullest = b
		}
	}
	fullest.key = hash // and its debt stays
	return fullest
}
