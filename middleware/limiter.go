package middleware

import (
	"context"
	"hash/maphash"
	"math"
	"math/bits"
	"sync"
	"time"
)

// A Limiter counts. Take asks for cost tokens of key's bucket, all or none; cost is at least 1. The
// rate comes with the request, so that each tenant or plan can have its own; it has been checked.
// Take is called concurrently, and its context ends with the request and after
// [RateLimitConfig.Timeout].
//
// [NewMemoryLimiter] is one. One that a fleet shares knows keys by [Key.String], and needs of a
// rate its [Rate.Interval] and [Rate.Capacity].
type Limiter interface {
	Take(ctx context.Context, key Key, rate Rate, cost int) (Taken, error)
}

// Taken is what a [Limiter] says.
type Taken struct {
	Allowed   bool
	Remaining int           // tokens left
	Wait      time.Duration // if not allowed: until it would be; 0 if never (the cost exceeds the burst) or unknown
}

// A MemoryLimiter counts in this process. It is GCRA (a token bucket that stores one instant per
// key) in a table of fixed size: memory does not grow whatever keys arrive, nothing is allocated
// after its construction, and no goroutine runs. Keys are stored as hashes under a random seed, 64
// bits wide.
//
// In a full table a new key takes the place of the one whose bucket is full again first in its part
// of the table, together with what that bucket lacks. Keys in use are passed over: those that have
// come again, until their bucket has been full for as long as it takes to fill twice. If all are in
// use, the newest makes room. So a flood of keys, however often each comes, makes newcomers share
// buckets: it takes nothing from those that were in use before, and never gives anybody a fresh
// bucket for a spent one.
type MemoryLimiter struct {
	seed  maphash.Seed
	start time.Time
	shift uint
	sets  []bucketSet
}

// A bucketSet is two cache lines: a part of the table with a lock of its own.
type bucketSet struct {
	mu      sync.Mutex
	buckets [7]bucket // the newest key last
	floor   int64     // the tat that newcomers begin with: the last of a bucket whose key was forgotten
}

type bucket struct {
	key uint64 // hash and [occupied]; 0 is free
	tat int64  // theoretical arrival time: when the bucket will be full again, in nanoseconds since start
}

// DefaultMaxKeys is how many keys a MemoryLimiter has place for by default. The table then takes 2
// MiB.
const DefaultMaxKeys = 1 << 16

// NewMemoryLimiter returns a MemoryLimiter with place for at least maxKeys keys (0 means
// [DefaultMaxKeys]), at 18 to 37 bytes each. The error says that maxKeys is negative or above 2^28.
func NewMemoryLimiter(maxKeys int) (*MemoryLimiter, error) {
	if maxKeys < 0 || maxKeys > 1<<28 {
		var wrong mistakes
		wrong.add("maxKeys must be 0 to 2^28")
		return nil, wrong.err("NewMemoryLimiter")
	}
	if maxKeys == 0 {
		maxKeys = DefaultMaxKeys
	}
	n := bits.Len(uint((maxKeys - 1) / len(bucketSet{}.buckets))) // a power of two of sets
	return &MemoryLimiter{
		seed:  maphash.MakeSeed(),
		start: time.Now(),
		shift: uint(64 - n),
		sets:  make([]bucketSet, 1<<n),
	}, nil
}

// Take never waits and does not allocate. It fails for a rate that is wrong alone. A cost below 1
// counts as 1.
func (l *MemoryLimiter) Take(_ context.Context, key Key, rate Rate, cost int) (Taken, error) {
	interval, full := int64(rate.Interval()), rate.full()
	if full <= 0 {
		return Taken{}, rate.Check()
	}
	hash := key.hash(l.seed)
	set := &l.sets[hash>>l.shift]
	hash |= occupied | again
	price := full + 1 // more than a bucket ever has
	if cost = max(1, cost); cost <= rate.Capacity() {
		price = int64(cost) * interval
	}

	now := int64(time.Since(l.start))
	set.mu.Lock()
	b := set.find(hash, now, full)
	tat := max(b.tat, now) + price
	over := tat - now - full
	if over <= 0 {
		b.tat = tat
	}
	left := max(0, full-(max(b.tat, now)-now)) // else it lacks what a slower rate has left
	set.mu.Unlock()

	t := Taken{Allowed: over <= 0, Remaining: int(left / interval)}
	if over > 0 && price <= full {
		t.Wait = time.Duration(over)
	}
	return t, nil
}

// The last bits of a key in the table are not the hash's.
const (
	occupied uint64 = 1 << iota // 0 is free
	again                       // it has come more than once
)

// find returns the key's bucket; full is what that lacks when it is empty.
func (s *bucketSet) find(hash uint64, now, full int64) *bucket {
	for i := range s.buckets {
		if b := &s.buckets[i]; b.key|again == hash {
			b.key = hash
			return b
		}
	}
	return s.place(hash, now, full)
}

// place makes a key the newest, in place of another.
func (s *bucketSet) place(hash uint64, now, full int64) *bucket {
	newest := len(s.buckets) - 1
	takes, first := newest, int64(math.MaxInt64)
	for i, b := range s.buckets {
		free := b.tat
		if b.key&again != 0 {
			if free += 2 * full; free > now {
				continue // in use
			}
		}
		if free < first {
			takes, first = i, free
		}
	}
	// What newcomers begin with is at least what any key lacked that was forgotten: else it could come
	// back for a bucket that keys in use have given up since. A bucket cannot lack more than all.
	s.floor = max(s.floor, s.buckets[takes].tat)
	copy(s.buckets[takes:], s.buckets[takes+1:])
	b := &s.buckets[newest]
	b.key, b.tat = hash&^again, min(s.floor, now+full)
	return b
}
