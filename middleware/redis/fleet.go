package fleet

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

var (
	// ErrUnavailable is what is returned at once while Redis has failed several times in a row.
	ErrUnavailable = errors.New("fleet: Redis is not available")
	// ErrClosed is what is returned after [Fleet.Close].
	ErrClosed = errors.New("fleet: closed")
)

// A Fleet is this process's part in a fleet of servers. It is safe for concurrent use. Two
// goroutines run for it: one reads the stream of ends, the other keeps the leases of seats.
type Fleet struct {
	client  redis.UniversalClient
	cfg     Config
	names   names
	breaker breaker
	counts  counts

	limiter     Limiter
	seats       Seats
	revocations Revocations
	maintenance Switch
	stream      stream

	done   context.Context // ends with Close
	cancel context.CancelFunc
	run    sync.WaitGroup
}

// New joins the fleet that shares client's Redis and cfg.Prefix. It does not wait for Redis, which
// may be away ([Fleet.Ready]). The error lists every mistake in cfg. The client stays the caller's,
// to be closed after [Fleet.Close]; of Redis's timeouts only the context's counts, for which its
// ContextTimeoutEnabled must be set.
func New(client redis.UniversalClient, cfg Config) (*Fleet, error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(client); err != nil {
		return nil, err
	}
	f := &Fleet{client: client, cfg: cfg, names: names{cfg.Prefix, append([]byte(nil), cfg.KeySecret...)}}
	f.done, f.cancel = context.WithCancel(context.Background())
	f.limiter.init(f)
	f.seats.init(f)
	f.revocations.init(f)
	f.maintenance.fleet = f
	f.stream.init(f)
	f.run.Go(f.stream.follow)
	f.run.Go(f.seats.keep)
	return f, nil
}

// Limiter is the fleet's [middleware.Limiter].
func (f *Fleet) Limiter() *Limiter { return &f.limiter }

// Seats is the fleet's [middleware.SeatStore].
func (f *Fleet) Seats() *Seats { return &f.seats }

// Revocations is who is revoked, as this process knows it.
func (f *Fleet) Revocations() *Revocations { return &f.revocations }

// Switch is the fleet's maintenance.
func (f *Fleet) Switch() *Switch { return &f.maintenance }

// Tickets is the fleet's store of tickets: minted on one server, redeemed once on any.
func (f *Fleet) Tickets() *Tickets { return &Tickets{f} }

// Ready is closed when this process has caught up with the stream of ends for the first time.
func (f *Fleet) Ready() <-chan struct{} { return f.stream.ready }

// Close leaves the fleet and waits until nothing of it runs, which takes a second as a rule, and
// three where Redis is gone. Seats that are still taken are free
// for others then, so connections should be gone before: call it after [upgrade.Upgrader.Shutdown].
func (f *Fleet) Close() error {
	f.cancel()
	f.run.Wait()
	return nil
}

// ask runs a command that somebody waits for: bounded in time, and not at all while Redis is known
// to be gone. [redis.Nil] is an answer.
func (f *Fleet) ask(ctx context.Context, what string, command func(context.Context) error) error {
	if f.done.Err() != nil {
		return ErrClosed
	}
	if !f.breaker.allow(time.Now()) {
		f.counts.skipped.Add(1)
		return ErrUnavailable
	}
	outer := ctx
	ctx, cancel := context.WithTimeout(ctx, f.cfg.Timeout)
	defer cancel()
	f.counts.commands.Add(1)
	err := command(ctx)
	switch {
	case err == nil || errors.Is(err, redis.Nil):
		f.breaker.succeeded()
		return err
	case isReply(err):
		f.breaker.succeeded() // it costs nobody a timeout
	case outer.Err() != nil:
		f.breaker.unknown() // whoever asked has gone
	default:
		f.breaker.failed(time.Now())
	}
	return f.failed(what, err)
}

// isReply says whether Redis itself answered with the error.
func isReply(err error) bool {
	var reply redis.Error
	return errors.As(err, &reply)
}

// failed reports err and returns it with its place.
func (f *Fleet) failed(what string, err error) error {
	err = fmt.Errorf("fleet: %s: %w", what, err)
	f.counts.errors.Add(1)
	f.cfg.OnError(err)
	return err
}

// pause waits, unless the Fleet is closed.
func (f *Fleet) pause(d time.Duration) {
	select {
	case <-time.After(d):
	case <-f.done.Done():
	}
}
