package upgrade

import (
	"context"
	"log/slog"
	"runtime/debug"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
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
		v := takeSeat(ctx, seat)
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

// takeSeat takes one. A foreign Seat's panic is a denial.
func takeSeat(ctx context.Context, seat policy.Seat) (v policy.Verdict) {
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

func (c *Conn) giveSeats() {
	for ; c.seats != nil; c.seats = c.seats.next {
		c.config.seats.Add(-1)
		c.seats.give()
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
