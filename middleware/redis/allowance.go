package fleet

import (
	"hash/maphash"
	"sync"
	"time"

	"github.com/wsverdict/wsverdict/middleware"
)

// An allowance is what this process knows about buckets, and need not ask: that one has no token
// before some moment, and tokens that were fetched in advance. Its size is bounded; what it has
// forgotten, Redis is asked.
type allowance struct {
	ahead  int
	seed   maphash.Seed
	shards [16]struct {
		mu    sync.Mutex
		known map[counted]*standing
	}
}

// A counted is a bucket at a rate.
type counted struct {
	key  middleware.Key
	rate middleware.Rate
}

type standing struct {
	refused int       // this cost,
	until   time.Time // before this moment
	tokens  int       // in hand,
	fetched time.Time // at this moment
	left    int       // in Redis, then
	asked   time.Time // last
}

const (
	maxKnown  = 4096        // per shard: 65,536 buckets, about 15 MB
	tokenLife = time.Second // of those in hand
)

func (a *allowance) init(ahead int) { a.ahead, a.seed = ahead, maphash.MakeSeed() }

// take answers if it can. Otherwise ahead is how many tokens to fetch in advance.
func (a *allowance) take(b counted, cost int, now time.Time) (t middleware.Taken, ahead int, ok bool) {
	shard := &a.shards[maphash.Comparable(a.seed, b.key)%uint64(len(a.shards))]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	s := shard.known[b]
	if s == nil {
		return middleware.Taken{}, 0, false
	}
	if often := now.Sub(s.asked) < tokenLife; often {
		ahead = a.ahead
	}
	s.asked = now
	if now.Sub(s.fetched) >= tokenLife {
		s.tokens = 0
	}
	switch {
	case s.tokens >= cost:
		s.tokens -= cost
		return middleware.Taken{Allowed: true, Remaining: s.left + s.tokens}, 0, true
	case s.refused > 0 && cost >= s.refused && now.Before(s.until):
		wait := s.until.Sub(now)
		if cost > b.rate.Capacity() {
			wait = 0 // never
		} else {
			wait += time.Duration(cost-s.refused) * b.rate.Interval()
		}
		return middleware.Taken{Wait: wait, Remaining: s.left}, 0, true
	}
	return middleware.Taken{}, ahead, false
}

// learn remembers Redis's answer to a question that was asked at now.
func (a *allowance) learn(b counted, cost int, t middleware.Taken, given int, now time.Time) {
	if t.Allowed && a.ahead == 0 {
		return
	}
	if !t.Allowed && t.Wait == 0 { // never: no moment to remember
		return
	}
	shard := &a.shards[maphash.Comparable(a.seed, b.key)%uint64(len(a.shards))]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	s := shard.known[b]
	if s == nil {
		if shard.known == nil {
			shard.known = map[counted]*standing{}
		}
		for other := range shard.known { // any
			if len(shard.known) < maxKnown {
				break
			}
			delete(shard.known, other)
		}
		s = &standing{}
		shard.known[b] = s
	}
	s.asked, s.left = now, t.Remaining-given
	if !t.Allowed {
		s.refused, s.until = cost, now.Add(t.Wait)
		return
	}
	if given > 0 {
		s.tokens, s.fetched = s.tokens+given, now
	}
}
