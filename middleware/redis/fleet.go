package fleet

import (
	"context"
	"errors"
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

// A Fleet is this process's part in a fleet of servers. It is safe for concurrent use. One
// goroutine runs for it, which reads the stream of ends, and where [Fleet.Seats] are used another,
// which keeps their leases.
type Fleet struct {
	client redis.UniversalClient
	cfg    Config
	names  names
	lanes  lanes
	counts counts

	limiter     Limiter
	seats       Seats
	revocations Revocations
	maintenance Switch
	stream      stream

	done    context.Context // ends with Close
	cancel  context.CancelFunc
	mu      sync.Mutex // so that nothing starts once Close waits
	running sync.WaitGroup
	keep    sync.Once
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
	f.lanes.cluster, _ = client.(*redis.ClusterClient)
	f.limiter.init(f)
	f.seats.init(f)
	f.revocations.init(f)
	f.maintenance.fleet = f
	f.stream.init(f)
	f.start(f.stream.follow)
	return f, nil
}

// Limiter is the fleet's [middleware.Limiter].
func (f *Fleet) Limiter() *Limiter { return &f.limiter }

// Seats is the fleet's [middleware.SeatStore]. From the first call on this process keeps a lease.
func (f *Fleet) Seats() *Seats {
	f.keep.Do(func() { f.start(f.seats.keep) })
	return &f.seats
}

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
	f.mu.Lock()
	f.cancel()
	f.mu.Unlock()
	f.running.Wait()
	return nil
}

// start runs g until [Fleet.Close], which waits for it.
func (f *Fleet) start(g func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.done.Err() == nil {
		f.running.Go(g)
	}
}

// pause waits, unless the Fleet is closed.
func (f *Fleet) pause(d time.Duration) {
	select {
	case <-time.After(d):
	case <-f.done.Done():
	}
}
