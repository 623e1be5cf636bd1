package middleware

import (
	"context"
	"hash/maphash"
	"math"
	"sync"
)

// MemorySeats is a [SeatStore] of this process. Its memory is bounded by the number of live
// connections.
type MemorySeats struct {
	seed   maphash.Seed
	shards [16]seatShard
}

type seatShard struct {
	mu    sync.Mutex
	taken map[Key]int
}

// NewMemorySeats returns a MemorySeats of its own, for a test of what a Store is asked, or to share
// between several [Seats]: with different numbers, for example.
func NewMemorySeats() *MemorySeats { return &MemorySeats{seed: maphash.MakeSeed()} }

// Take never fails and never waits.
func (m *MemorySeats) Take(_ context.Context, key Key, most int) (give func(), ok bool, err error) {
	if !m.take(key, most) {
		return nil, false, nil
	}
	return func() { m.give(key) }, true, nil
}

func (m *MemorySeats) shard(key Key) *seatShard { return &m.shards[key.hash(m.seed)%16] }

func (m *MemorySeats) take(key Key, most int) bool {
	shard := m.shard(key)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	if shard.taken[key] >= most {
		return false
	}
	if shard.taken == nil {
		shard.taken = map[Key]int{}
	}
	shard.taken[key]++
	return true
}

// add counts a seat that somebody else has granted.
func (m *MemorySeats) add(key Key) { m.take(key, math.MaxInt) }

func (m *MemorySeats) give(key Key) {
	shard := m.shard(key)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	if shard.taken[key]--; shard.taken[key] <= 0 {
		delete(shard.taken, key)
	}
}

// A memorySeat is one of them.
type memorySeat struct {
	of   *MemorySeats
	key  Key
	most int
}

func (s *memorySeat) Take(context.Context) (bool, error) { return s.of.take(s.key, s.most), nil }
func (s *memorySeat) Give()                              { s.of.give(s.key) }
func (s *memorySeat) Local()                             {}
