package fleet

import (
	"context"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	batch        = 512             // commands or members that are sent together
	batchTimeout = 2 * time.Second // nobody waits for it
)

// keep is the goroutine that gives seats back and renews the leases: whatever number of seats there
// is, one command for each part.
func (s *Seats) keep() {
	defer s.leave()
	period := s.fleet.cfg.SeatLease / 3
	due, turn := time.Now(), 0
	for s.fleet.done.Err() == nil {
		var wait time.Duration
		s.mu.Lock()
		given, asked := s.given, s.renewal
		s.given, s.renewal = nil, nil
		s.mu.Unlock()

		rest, err := s.remove(given)
		if now := time.Now(); asked != nil || !now.Before(due) {
			if e := s.renewAll(turn); e != nil {
				err = e
			} else {
				due, turn = now.Add(period), (turn+1)%parts
			}
			if asked != nil {
				asked.err = err
				close(asked.done)
			}
		}
		s.mu.Lock()
		s.given = append(rest, s.given...)
		waiting := len(rest) > 0
		s.mu.Unlock()
		wait = time.Until(due)
		if err != nil {
			s.fleet.failed(OpKeepSeats, err)
			s.fleet.pause(period / 10)
			continue
		}
		if waiting { // for what was unsure
			wait = min(wait, time.Second)
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-s.wake:
		case <-s.fleet.done.Done():
		}
		timer.Stop()
	}
}

// remove removes seats, and returns those that are to be removed again.
func (s *Seats) remove(given []givenSeat) (rest []givenSeat, err error) {
	now := time.Now()
	for some := range slices.Chunk(given, batch) {
		err = s.pipe(func(p redis.Pipeliner) {
			for _, g := range some {
				p.ZRem(context.Background(), g.of, g.seat)
			}
		})
		for _, g := range some {
			if err != nil || g.unsure.After(now) {
				rest = append(rest, g)
			}
		}
	}
	return rest, err
}

// renewAll renews the leases in all parts, and states anew what is held: in those parts where
// others may have taken it, and in one more, so that sets in use never run out and whatever went
// wrong is mended some time.
func (s *Seats) renewAll(turn int) error {
	var renewed [parts]*redis.Cmd
	err := s.pipe(func(p redis.Pipeliner) {
		for n := range renewed { // by its source: in a pipeline nobody could send it after a NOSCRIPT
			renewed[n] = p.Eval(context.Background(), renewSource, []string{s.fleet.names.leases(n)},
				s.server, s.fleet.cfg.SeatLease.Milliseconds())
		}
	})
	if err != nil {
		return err
	}
	for n, r := range renewed {
		if held, err := r.Int(); err != nil {
			return err
		} else if held == 1 && n != turn {
			continue
		}
		if err := s.restate(&s.parts[n]); err != nil {
			return err
		}
	}
	return nil
}

// restate writes what is held in a part. Only this goroutine removes seats, so none comes back that
// was given back meanwhile.
func (s *Seats) restate(part *seatPart) error {
	type held struct{ seat, of string }
	var all []held
	part.mu.Lock()
	for seat, of := range part.held {
		all = append(all, held{seat, of})
	}
	part.mu.Unlock()
	score := float64(s.number)
	for some := range slices.Chunk(all, batch) {
		err := s.pipe(func(p redis.Pipeliner) {
			for _, h := range some {
				p.ZAdd(context.Background(), h.of, redis.Z{Score: score, Member: h.seat})
				p.PExpire(context.Background(), h.of, s.setLife())
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// leave lets go of all seats: without a lease they do not count.
func (s *Seats) leave() {
	err := s.pipe(func(p redis.Pipeliner) {
		for n := range s.parts {
			p.ZRem(context.Background(), s.fleet.names.leases(n), s.server)
		}
	})
	if err != nil {
		s.fleet.failed(OpKeepSeats, err)
	}
}

// pipe sends commands together. In a Cluster each node gets its own.
func (s *Seats) pipe(commands func(redis.Pipeliner)) error {
	ctx, cancel := context.WithTimeout(context.Background(), batchTimeout)
	defer cancel()
	_, err := s.fleet.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		commands(p)
		return nil
	})
	return err
}
