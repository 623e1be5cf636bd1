package middleware

import (
	"hash/maphash"
	"math/bits"
	"sync"
	"time"
)

// A brakeTable is the records of keys that were denied lately. It has a fixed size, and keys by
// their hashes, as a MemoryLimiter's table. Unlike there a newcomer in a full part of it begins
// afresh: to be forgotten harms nobody.
type brakeTable struct {
	seed      maphash.Seed
	start     time.Time
	patience  int32
	warnings  int32
	firstWait int64 // nanoseconds
	block     int64
	shift     uint
	sets      []recordSet
}

// A recordSet is two cache lines: a part of the table with a lock of its own.
type recordSet struct {
	mu      sync.Mutex
	records [5]record
}

type record struct {
	key   uint64 // hash; 0 is free
	until int64  // nanoseconds since start; 0 once that wait was kept
	early int32  // how often the key came before that
}

func newBrakeTable(cfg BrakeConfig) *brakeTable {
	n := bits.Len(uint((cfg.MaxKeys - 1) / len(recordSet{}.records))) // a power of two of sets
	return &brakeTable{
		seed:      maphash.MakeSeed(),
		start:     time.Now(),
		patience:  int32(cfg.Patience),
		warnings:  int32(cfg.Warnings),
		firstWait: int64(cfg.FirstWait),
		block:     int64(cfg.Block),
		shift:     uint(64 - n),
		sets:      make([]recordSet, 1<<n),
	}
}

func (t *brakeTable) now() int64 { return int64(time.Since(t.start)) + 1 }

// lock returns the key's set, locked, and its hash.
func (t *brakeTable) lock(key Key) (*recordSet, uint64) {
	hash := key.hash(t.seed)
	set := &t.sets[hash>>t.shift]
	set.mu.Lock()
	return set, hash | 1 // 0 is free
}

// find returns the key's record, nil if it has none.
func (s *recordSet) find(hash uint64) *record {
	for i := range s.records {
		if s.records[i].key == hash {
			return &s.records[i]
		}
	}
	return nil
}

// arrive says how long a key that comes now has to wait: 0 for not at all. blocked is what is
// beyond warnings.
func (t *brakeTable) arrive(key Key) (wait time.Duration, blocked bool) {
	set, hash := t.lock(key)
	defer set.mu.Unlock()
	r := set.find(hash)
	if r == nil {
		return 0, false
	}
	now := t.now()
	if now >= r.until {
		if r.until != 0 {
			r.until, r.early = 0, r.early/2
		}
		return 0, false
	}
	most := t.patience + t.warnings
	blocked = r.early > most
	if !blocked {
		r.early++
	}
	switch warning := r.early - t.patience; {
	case blocked: // no arrival makes it longer
	case r.early > most:
		blocked = true
		r.until = now + t.block
	case warning > 0:
		r.until = max(r.until, now+t.firstWait<<(warning-1))
	default:
		return 0, false
	}
	return time.Duration(r.until - now), blocked
}

// denied notes that the key was told to wait.
func (t *brakeTable) denied(key Key, wait time.Duration) {
	set, hash := t.lock(key)
	defer set.mu.Unlock()
	r := set.find(hash)
	if r == nil {
		r = &set.records[0]
		for i := range set.records {
			if set.records[i].until < r.until || set.records[i].key == 0 {
				r = &set.records[i]
			}
		}
		*r = record{key: hash}
	}
	if r.early <= t.patience+t.warnings { // in a block nobody is judged but those who were before it began
		r.until = max(r.until, t.now()+int64(wait))
	}
}

// admitted forgets the key.
func (t *brakeTable) admitted(key Key) {
	set, hash := t.lock(key)
	defer set.mu.Unlock()
	if r := set.find(hash); r != nil {
		*r = record{}
	}
}
