package middleware

import (
	"context"
	"errors"
	"maps"
	"sync"
	"time"
)

// MemoryTickets is a [TicketStore] of this process. It holds a bounded number of tickets; when it is
// full, Put fails until some were taken or are too old. None is thrown out to make room: whoever
// mints many would void other people's.
type MemoryTickets struct {
	most int

	mu    sync.Mutex
	kept  map[string]keptTicket
	sweep time.Time // the earliest moment to look for old ones again
}

type keptTicket struct {
	data  []byte
	until time.Time
}

// DefaultMaxTickets is how many tickets a [MemoryTickets] holds. One is some hundred bytes, and at
// most [MaxTicket].
const DefaultMaxTickets = 10_000

// ErrTicketsFull is what [MemoryTickets.Put] returns when there is no room.
var ErrTicketsFull = errors.New("middleware: as many tickets as there may be are waiting to be redeemed")

// NewMemoryTickets returns a MemoryTickets for at most so many; below 1 means [DefaultMaxTickets].
func NewMemoryTickets(most int) *MemoryTickets {
	if most < 1 {
		most = DefaultMaxTickets
	}
	return &MemoryTickets{most: most, kept: map[string]keptTicket{}}
}

// Put keeps a ticket. It does not wait.
func (m *MemoryTickets) Put(_ context.Context, id string, ticket []byte, ttl time.Duration) error {
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	if !now.Before(m.sweep) { // a pass over all of them, once a second at most
		maps.DeleteFunc(m.kept, func(_ string, k keptTicket) bool { return !now.Before(k.until) })
		m.sweep = now.Add(time.Second)
	}
	if len(m.kept) >= m.most {
		return ErrTicketsFull
	}
	m.kept[id] = keptTicket{ticket, now.Add(ttl)}
	return nil
}

// Take returns a ticket, once. It does not wait.
func (m *MemoryTickets) Take(_ context.Context, id string) (ticket []byte, ok bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k, ok := m.kept[id]
	delete(m.kept, id)
	if !ok || !time.Now().Before(k.until) {
		return nil, false, nil
	}
	return k.data, true, nil
}
