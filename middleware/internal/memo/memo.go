// Package memo remembers a bounded number of things for a time.
package memo

import (
	"encoding/binary"
	"math/bits"
	"sync"
	"time"
)

// A Table has a fixed number of places, in sets of eight. It is safe for concurrent use.
//
// In a set that is full, a newcomer takes the last place. Whatever is asked for moves one place
// forward, so that a flood of newcomers takes that place from each other, and nothing from what is
// in use.
type Table[V any] struct {
	sets  []set[V]
	shift uint
}

type set[V any] struct {
	mu     sync.Mutex
	places [8]place[V]
}

type place[V any] struct {
	key         Key
	from, until int64 // nanoseconds since 1970; until 0 is free
	value       V
}

// New returns a Table with at least n places.
func New[V any](n int) *Table[V] {
	width := bits.Len(uint(max(n, 1)-1) / 8)
	return &Table[V]{sets: make([]set[V], 1<<width), shift: uint(64 - width)}
}

// Places returns how many things can be remembered.
func (t *Table[V]) Places() int { return len(t.sets) * len(set[V]{}.places) }

func (t *Table[V]) set(key Key) *set[V] {
	return &t.sets[binary.BigEndian.Uint64(key[:])>>t.shift]
}

// Get returns what was put under key, from the time when it was put, by the clock on the wall,
// until its end: where the clock was set back behind that, nothing is known.
func (t *Table[V]) Get(key Key, now time.Time) (value V, ok bool) {
	at := now.UnixNano()
	s := t.set(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.places {
		p := &s.places[i]
		if p.key != key || at < p.from || at >= p.until {
			continue
		}
		value = p.value
		if i > 0 {
			s.places[i-1], s.places[i] = s.places[i], s.places[i-1]
		}
		return value, true
	}
	return value, false
}

// Put remembers value until then. The times must be ones that nanoseconds since 1970 can count.
func (t *Table[V]) Put(key Key, value V, now, until time.Time) {
	at := now.UnixNano()
	s := t.set(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	var takes *place[V]
	for i := range s.places {
		p := &s.places[i]
		if p.key == key {
			takes = p
			break
		}
		if takes == nil && p.until <= at {
			takes = p
		}
	}
	if takes == nil {
		takes = &s.places[len(s.places)-1]
	}
	*takes = place[V]{key, at, until.UnixNano(), value}
}
