package upgrade

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"sync/atomic"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
)

// maxTaking is how many seats may be asked for at a time, those that nobody waits for any more
// included: what hangs costs a bounded number of goroutines.
const maxTaking = 1024

var (
	errTaking = errors.New("upgrade: too many Seats have not answered")
	errGoexit = errors.New("upgrade: the Seat ended its goroutine")
)

// seats are those that a connection has taken.
type seats struct {
	seat policy.Seat
	next *seats
}

var (
	tooManyConnections = policy.Close(codes.TooManyRequests, "too_many_connections")
	seatsUnavailable   = policy.Close(codes.ServiceUnavailable, "seats_unavailable")
)

// takeSeats takes those that a verdict brings. A refusal is hidden where the verdict says so.
func (c *Conn) takeSeats(ctx context.Context, brought *policy.Verdict) *policy.Verdict {
	for seat := range brought.Seats() {
		v := c.config.takeSeat(ctx, seat)
		if !v.Allowed() {
			if brought.Hidden() {
				v = v.Hide()
			}
			return &v
		}
		c.seats = &seats{seat, c.seats}
		c.config.seats.Add(1)
	}
	return nil
}

// takeSeat takes one.
func (c *config) takeSeat(ctx context.Context, seat policy.Seat) policy.Verdict {
	if _, local := seat.(policy.LocalSeat); local {
		return takeNow(ctx, seat)
	}
	return c.takeInTime(ctx, seat)
}

func (c *Conn) giveSeats() {
	for ; c.seats != nil; c.seats = c.seats.next {
		c.seats.give()
		c.config.seats.Add(-1) // whoever sees the count finds the seat free
	}
}

// give gives one back. A foreign Seat's panic must not keep the rest, and there is nobody further
// out to recover it.
func (s *seats) give() {
	returned := false
	defer func() {
		if !returned {
			slog.Default().Error("wsverdict: a Seat panicked", "panic", recover())
		}
	}()
	s.seat.Give()
	returned = true
}

// takeNow asks a seat. Its panic is a denial.
func takeNow(ctx context.Context, seat policy.Seat) (v policy.Verdict) {
	returned := false
	defer func() {
		if !returned {
			v = panicked.WithCause(&PanicError{Value: recover(), Stack: debug.Stack()})
		}
	}()
	ok, err := seat.Take(ctx)
	returned = true
	switch {
	case err != nil:
		return seatsUnavailable.WithCause(err)
	case !ok:
		return tooManyConnections
	}
	return policy.Allow()
}

// takeInTime asks a seat that may ignore its context, and waits no longer than seatTimeout. A seat
// that is had later is given back.
func (c *config) takeInTime(ctx context.Context, seat policy.Seat) policy.Verdict {
	if c.taking.Add(1) > maxTaking {
		c.taking.Add(-1)
		return seatsUnavailable.WithCause(errTaking)
	}
	ctx, cancel := context.WithTimeout(ctx, c.seatTimeout)
	defer cancel()
	t := &taking{verdict: seatsUnavailable.WithCause(errGoexit), done: make(chan struct{})}
	go t.run(ctx, seat, &c.taking)
	select {
	case <-t.done:
	case <-ctx.Done():
		if t.over.CompareAndSwap(false, true) {
			return seatsUnavailable.WithCause(ctx.Err())
		}
		<-t.done // it answered in the same moment
	}
	return t.verdict
}

// A taking is shared by a handshake and the goroutine that asks for its seat. Who is first to set
// over, by answering or by leaving, decides whether the seat is had.
type taking struct {
	verdict policy.Verdict
	over    atomic.Bool
	done    chan struct{}
}

func (t *taking) run(ctx context.Context, seat policy.Seat, running *atomic.Int64) {
	defer running.Add(-1)
	defer func() { // also where the Seat ends its goroutine
		if t.over.CompareAndSwap(false, true) {
			close(t.done)
		} else if t.verdict.Allowed() {
			(&seats{seat: seat}).give()
		}
	}()
	t.verdict = takeNow(ctx, seat)
}
