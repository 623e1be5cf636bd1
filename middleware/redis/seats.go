package fleet

import (
	"context"
	_ "embed"
	"errors"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/wsverdict/wsverdict/middleware"
)

var (
	//go:embed seats_take.lua
	takeSource string
	//go:embed seats_renew.lua
	renewSource string

	takeScript = redis.NewScript(takeSource)
)

// Seats counts connections across servers: while Redis is up, never more than the maximum per key
// at once, wherever they are. Taking one is one round trip, giving it back none that anybody waits
// for. The seats of a server that crashed are free again after [Config.SeatLease]. A server that
// was cut off for longer than that, and comes back, counts its connections again: until enough of
// them are gone there can be more than the maximum, and nobody new gets in. It is safe for
// concurrent use.
type Seats struct {
	fleet  *Fleet
	number uint64        // of this process's stay in the fleet, a score
	server string        // the same in decimal
	id     string        // the same, shorter: how its seats begin
	last   atomic.Uint64 // seat
	parts  [parts]seatPart

	mu      sync.Mutex
	given   []givenSeat   // not yet told to Redis
	renewal *renewal      // that somebody waits for; nil if nobody does
	wake    chan struct{} // has room for one
}

var _ middleware.SeatStore = (*Seats)(nil)

// A seatPart is the seats of this process under one hash tag.
type seatPart struct {
	mu   sync.Mutex
	held map[string]string // the name of the key's set, by seat
}

// A givenSeat is to be removed. Whether it was ever taken is not known if the answer got lost; the
// command may then even run after its removal, so it is removed again and again, as long as Redis
// can have been holding the command back.
type givenSeat struct {
	seat, of string
	unsure   time.Time // until then; zero if it is certain
}

// A renewal is one round over the leases, as its waiters see it.
type renewal struct {
	done chan struct{}
	err  error
}

func (s *Seats) init(f *Fleet) {
	n := rand.Uint64N(1 << 53) // scores are doubles
	s.fleet, s.number, s.server, s.id = f, n, strconv.FormatUint(n, 10), strconv.FormatUint(n, 36)
	s.wake = make(chan struct{}, 1)
	for i := range s.parts {
		s.parts[i].held = map[string]string{}
	}
}

// lapsed is Redis's answer to a server that has no lease.
const lapsed = -1

// setLife is how long a set outlives its last change. Those in use are written anew more often
// ([Seats.restate]).
func (s *Seats) setLife() time.Duration { return max(time.Hour, 2*parts*s.fleet.cfg.SeatLease) }

// Take implements [middleware.SeatStore]. It fails when Redis does.
func (s *Seats) Take(ctx context.Context, key middleware.Key, most int) (give func(), ok bool, err error) {
	n, of := s.fleet.names.seat(key.String())
	part := &s.parts[n]
	seat := s.id + "." + strconv.FormatUint(s.last.Add(1), 36)
	var answer int
	deadline := s.fleet.soon()
	for range 2 {
		var cmd *redis.Cmd
		cmd, err = s.fleet.run(ctx, deadline, OpTakeSeat, takeScript, []string{of, s.fleet.names.leases(n)},
			s.server, seat, most, s.setLife().Milliseconds())
		if err != nil {
			break
		}
		if answer, err = cmd.Int(); err != nil {
			err = s.fleet.failed(OpTakeSeat, err)
			break
		}
		if answer != lapsed {
			break
		}
		if err := s.renew(ctx, deadline); err != nil {
			return nil, false, err
		}
	}
	switch {
	case errors.Is(err, ErrUnavailable), errors.Is(err, ErrClosed):
		return nil, false, err
	case err != nil:
		s.give(givenSeat{seat, of, time.Now().Add(s.fleet.cfg.SeatLease)})
		return nil, false, err
	case answer == lapsed:
		return nil, false, s.fleet.failed(OpTakeSeat, errors.New("the lease ran out at once"))
	case answer == 0:
		return nil, false, nil
	}
	part.mu.Lock()
	part.held[seat] = of
	part.mu.Unlock()
	return func() {
		part.mu.Lock()
		delete(part.held, seat)
		part.mu.Unlock()
		s.give(givenSeat{seat: seat, of: of})
	}, true, nil
}

func (s *Seats) give(g givenSeat) {
	s.mu.Lock()
	s.given = append(s.given, g)
	s.mu.Unlock()
	s.call()
}

func (s *Seats) call() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// renew waits for a round over all leases.
func (s *Seats) renew(ctx context.Context, deadline time.Time) error {
	s.mu.Lock()
	if s.renewal == nil {
		s.renewal = &renewal{done: make(chan struct{})}
	}
	r := s.renewal
	s.mu.Unlock()
	s.call()
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	select {
	case <-r.done:
		return r.err
	case <-s.fleet.done.Done():
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// held is how many seats this process has.
func (s *Seats) held() int {
	n := 0
	for i := range s.parts {
		part := &s.parts[i]
		part.mu.Lock()
		n += len(part.held)
		part.mu.Unlock()
	}
	return n
}
