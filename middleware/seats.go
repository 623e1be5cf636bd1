package middleware

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
)

// A SeatsConfig says how many connections one client may have at a time.
type SeatsConfig struct {
	// Max is the number of live connections per key. Required.
	Max int

	// MaxFor, if given, is the number for one request: of its tenant or plan. Where ok is false,
	// Max counts. Below 1 there is no seat. It is called concurrently.
	MaxFor func(r *http.Request) (most int, ok bool)

	// Key says who is counted together: [ByIP], [BySubject] (behind the policy that finds out the
	// subject), or a function of the user's own. nil means ByIP.
	Key KeyFunc

	// Store counts. nil means a [MemorySeats] of its own, which cannot fail.
	Store SeatStore

	// Timeout is how long a handshake waits for a Store of the user's own, also for one that
	// ignores its context. 0 means 250 ms.
	Timeout time.Duration

	// OnFailure says what happens when the Store fails. By default this process counts alone for
	// that connection: all of the key's connections here, those that the Store counted included.
	OnFailure FailureMode

	// OnError, if given, is told of every failure of the Store.
	OnError func(r *http.Request, err error)

	// Name is part of the keys that a Store of the user's own is asked for: two Seats that share a
	// Store count together if they share a name. "" means "default".
	Name string
}

// A SeatStore counts the connections of each key. Take takes a seat of key's unless most are taken,
// and returns how to give it back; give is called exactly once, and returns at once: what waits for
// a network does so on a goroutine of its own. Take is called concurrently. Its context ends with
// the request and after [SeatsConfig.Timeout]: a seat that is had later is given back.
//
// [NewMemorySeats] returns one. One that a fleet shares knows keys by [Key.String], and must let go
// of the seats of a server that is gone.
type SeatStore interface {
	Take(ctx context.Context, key Key, most int) (give func(), ok bool, err error)
}

// Seats is a policy that allows, and makes the Upgrader take a seat for the connection: when none
// is left, it is refused with 429 too_many_connections;do=backoff, and when that cannot be found
// out, with 503 seats_unavailable;do=backoff. The Upgrader gives the seat back when the connection
// is gone, exactly once. In front of another library's handler nobody takes one, and the limit does
// not hold. It is safe for concurrent use; connections of several Upgraders count together where
// one Seats is mounted in front of each. Mounted twice in one chain it takes two seats for a
// connection.
type Seats struct {
	max    int
	maxFor func(*http.Request) (int, bool)
	key    KeyFunc
	store  SeatStore // nil: local alone
	local  *MemorySeats
	remote remote
}

// NewSeats returns Seats of its own. The error lists every mistake in cfg.
func NewSeats(cfg SeatsConfig) (*Seats, error) {
	var wrong mistakes
	if cfg.Max <= 0 {
		wrong.add("Max must be positive")
	}
	s := &Seats{max: cfg.Max, maxFor: cfg.MaxFor, key: cfg.Key, store: cfg.Store, local: NewMemorySeats(),
		remote: newRemote(cfg.Store, cfg.Timeout, cfg.OnFailure, cfg.OnError, cmp.Or(cfg.Name, "default"), &wrong)}
	if s.key == nil {
		s.key = ByIP
	}
	if err := wrong.err("NewSeats"); err != nil {
		return nil, err
	}
	return s, nil
}

// MustSeats is [NewSeats] that panics on an error.
func MustSeats(cfg SeatsConfig) *Seats {
	s, err := NewSeats(cfg)
	if err != nil {
		panic(err)
	}
	return s
}

// Seats mounts a [Seats] of its own; mount one [NewSeats] with [Chain.Use] in several places where
// they shall count together.
func (c Chain) Seats(cfg SeatsConfig) func(http.Handler) http.Handler { return c.Use(MustSeats(cfg)) }

var noSeatKey = policy.Close(codes.InternalServerError, "seats_key_missing")

// Judge is the policy.
func (s *Seats) Judge(r *http.Request) policy.Verdict {
	key, ok := s.key(r)
	if !ok {
		return noSeatKey
	}
	most := s.max
	if s.maxFor != nil {
		if n, ok := s.maxFor(r); ok {
			most = n
		}
	}
	if s.store == nil {
		return policy.Allow().WithSeat(&memorySeat{s.local, key, most})
	}
	return policy.Allow().WithSeat(&storedSeat{seats: s, request: r, key: key, most: most})
}

// Name is "seats".
func (s *Seats) Name() string { return "seats" }

// A storedSeat is one of a store of the user's.
type storedSeat struct {
	seats   *Seats
	request *http.Request // until it is taken
	key     Key
	most    int
	give    func() // nil if no store counts it
	local   bool   // whether this process counts it, too
}

// taken is a store's answer.
type taken struct {
	give func()
	ok   bool
}

func (s *storedSeat) Take(ctx context.Context) (ok bool, err error) {
	r, store, key, most := s.request, s.seats.store, s.key.in(s.seats.remote.scope), s.most
	s.request = nil // the connection may live for days
	t, err := ask(ctx, &s.seats.remote, func(ctx context.Context) (t taken, err error) {
		t.give, t.ok, err = store.Take(ctx, key, most)
		return t, err
	}, taken.late)
	fallBack := s.seats.remote.mode == FallBackToMemory
	if err == nil {
		s.give = t.give
		if s.local = t.ok && fallBack; s.local { // for the time when the store fails
			s.seats.local.add(s.key)
		}
		return t.ok, nil
	}
	s.seats.remote.failed(r, err)
	switch {
	case fallBack:
		s.local = s.seats.local.take(s.key, s.most)
		return s.local, nil
	case s.seats.remote.mode == InsecureAllowOnFailure:
		return true, nil
	}
	return false, err
}

// Local is true of the Store's time as well: ask bounds it.
func (s *storedSeat) Local() {}

func (t taken) late() {
	if t.ok && t.give != nil {
		t.give()
	}
}

func (s *storedSeat) Give() {
	if s.local {
		s.seats.local.give(s.key)
	}
	if s.give != nil {
		s.give()
	}
}
