package upgrade_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

// in is a context with a deadline.
func in(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// wantRestart reads the close frame of a shutdown, with a wait.
func (c *client) wantRestart(code uint16) {
	c.t.Helper()
	got, reason := c.closed()
	after, ok := strings.CutPrefix(reason, "restart;do=reconnect;after=")
	if seconds, err := strconv.Atoi(after); got != code || !ok || err != nil || seconds < 1 {
		c.t.Errorf("closed with %d %q, want %d restart;do=reconnect;after=…", got, reason, code)
	}
}

func TestShutdownRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		up   *upgrade.Upgrader
		want int
	}{
		"close frame": {&upgrade.Upgrader{}, 4503},
		"profile":     {&upgrade.Upgrader{Profile: codes.IANA}, 1012},
		"status":      {&upgrade.Upgrader{MaxLingering: -1}, 503},
	} {
		t.Run(name, func(t *testing.T) {
			events := &ledger{}
			tc.up.Observer = events
			addr := newServer(t, tc.up.Handler(run(func(context.Context, *upgrade.Conn) error { t.Error("a session ran"); return nil })))
			if err := tc.up.Shutdown(t.Context()); err != nil {
				t.Fatal(err)
			}
			c, res := handshake(t, addr)
			if tc.want == 503 {
				wantStatus(t, res, 503)
				p := problemOf(t, res)
				if p.Slug != "restart" || p.Action != "reconnect" || p.After < 1 || res.Header.Get("Retry-After") != strconv.Itoa(p.After) {
					t.Errorf("got %+v, Retry-After %q", p, res.Header.Get("Retry-After"))
				}
			} else {
				wantStatus(t, res, 101)
				c.wantRestart(uint16(tc.want))
				c.bye()
			}
			if e := events.await(t, upgrade.Settled); e.Policy != "shutdown" || e.Verdict.Slug() != "restart" {
				t.Errorf("got %+v", e)
			}
		})
	}
}

// Shutdown closes all that are live, tells them when to come back, and returns when the last one is
// gone and reported.
func TestShutdown(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		profile codes.Profile
		leaves  time.Duration
		times   int
		code    uint16
	}{
		"spread":      {nil, 2 * time.Second, 1, 4503},
		"no spread":   {nil, 300 * time.Millisecond, 1, 4503}, // half of it is hardly a spread: the waits are one all the same
		"profile":     {codes.IANA, time.Second, 1, 1012},
		"four times":  {nil, 2 * time.Second, 4, 4503},
		"no deadline": {nil, 0, 1, 4503},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const n = 20
			events := &ledger{}
			up := &upgrade.Upgrader{Profile: tc.profile, Observer: events}
			began, cause := make(chan struct{}, n), make(chan error, n)
			addr := newServer(t, up.Handler(run(func(ctx context.Context, c *upgrade.Conn) error {
				began <- struct{}{}
				defer func() { cause <- context.Cause(ctx) }()
				return listen(ctx, c)
			})))
			var clients sync.WaitGroup
			for range n {
				c := connect(t, addr)
				clients.Go(func() { c.wantRestart(tc.code); c.bye() })
			}
			for range n { // who is ended before its session begins has none
				receive(t, began)
			}
			ctx := t.Context()
			if tc.leaves > 0 {
				ctx = deadlineOf(ctx, tc.leaves)
			}
			var shutdowns sync.WaitGroup
			for range tc.times {
				shutdowns.Go(func() {
					if err := up.Shutdown(ctx); err != nil {
						t.Errorf("Shutdown: %v", err)
					}
					if ended := len(events.all(upgrade.Ended)); ended != n {
						t.Errorf("Shutdown returned after %d of %d ends were reported", ended, n)
					}
				})
			}
			shutdowns.Wait()
			clients.Wait()
			for range n {
				err := receive(t, cause)
				if v := (policy.Verdict{}); !errors.Is(err, upgrade.ErrClosed) || !errors.As(err, &v) || v.Slug() != "restart" {
					t.Errorf("the context's cause is %v", err)
				}
			}
			wantEmpty(t, up)
		})
	}
}

// hasDeadline says that it has a deadline, which never comes: Shutdown spreads by it, and a slow
// machine has all the time it needs.
type hasDeadline struct {
	context.Context
	at time.Time
}

func (c hasDeadline) Deadline() (time.Time, bool) { return c.at, true }

func deadlineOf(ctx context.Context, d time.Duration) context.Context {
	return hasDeadline{ctx, time.Now().Add(d)}
}

// A session that has something to finish is waited for.
func TestShutdownWaits(t *testing.T) {
	t.Parallel()
	up := &upgrade.Upgrader{LingerTimeout: 100 * time.Millisecond}
	finished := atomic.Bool{}
	began, release := make(chan struct{}), make(chan struct{})
	c := admit(t, up, func(ctx context.Context, c *upgrade.Conn) error {
		close(began)
		<-ctx.Done()
		receive(t, release)
		finished.Store(true)
		return nil
	})
	receive(t, began)
	down := make(chan error, 1)
	go func() { down <- up.Shutdown(deadlineOf(t.Context(), 0)) }()
	c.wantRestart(4503)
	c.wantEnd() // the connection does not wait for the session
	close(release)
	if err := receive(t, down); err != nil || !finished.Load() {
		t.Errorf("Shutdown returned %v, the session has finished: %v", err, finished.Load())
	}
}

// One that never returns is cut off when the time is over.
func TestShutdownCutsOff(t *testing.T) {
	t.Parallel()
	for name, ctx := range map[string]func() context.Context{
		"deadline":       func() context.Context { return in(t, 300*time.Millisecond) },
		"passed already": func() context.Context { return in(t, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			up := &upgrade.Upgrader{LingerTimeout: time.Hour}
			release, began := make(chan struct{}), make(chan struct{})
			c := admit(t, up, func(context.Context, *upgrade.Conn) error { close(began); receive(t, release); return nil })
			receive(t, began)
			if err := up.Shutdown(ctx()); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Shutdown: %v", err)
			}
			c.wantEnd()
			if n := up.Stats().Live; n != 1 {
				t.Errorf("%d live while the session is still there", n)
			}
			close(release)
			if err := up.Shutdown(t.Context()); err != nil {
				t.Errorf("the second Shutdown: %v", err)
			}
			wantEmpty(t, up)
		})
	}
}

// A shutdown does not wait for an End that was to take longer.
func TestShutdownOvertakesEnd(t *testing.T) {
	t.Parallel()
	up := &upgrade.Upgrader{}
	c := admit(t, up, listen)
	up.EndAll(banned, 1000*time.Hour)
	down := make(chan error, 1)
	go func() { down <- up.Shutdown(deadlineOf(t.Context(), 2*time.Second)) }()
	c.wantRestart(4503)
	c.bye()
	if err := receive(t, down); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

// Whoever is admitted while a shutdown begins is closed by it; nobody slips through, and nobody
// sees 1006.
func TestShutdownStorm(t *testing.T) {
	t.Parallel()
	for range 5 {
		up := &upgrade.Upgrader{LingerTimeout: time.Hour}
		var down atomic.Bool
		addr := newServer(t, tagged(up)(up.Handler(run(func(ctx context.Context, c *upgrade.Conn) error {
			if down.Load() {
				t.Error("a session began after Shutdown had returned")
			}
			return listen(ctx, c)
		}))))
		var clients sync.WaitGroup
		var connected atomic.Int64
		for range 8 {
			clients.Go(func() {
				for !down.Load() {
					c := connect(t, addr, at("user=alice"))
					connected.Add(1)
					clients.Go(func() { c.wantRestart(4503); c.bye() })
				}
			})
		}
		eventually(t, "some are connected", func() bool { return connected.Load() > 20 })
		if err := up.Shutdown(deadlineOf(t.Context(), 500*time.Millisecond)); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		down.Store(true)
		if n := up.Stats().Live; n != 0 {
			t.Errorf("%d live after Shutdown", n)
		}
		clients.Wait()
		wantEmpty(t, up)
	}
}

// A program that is ending, and whose server was never made, ends its sessions all the same.
func TestShutdownWithoutServer(t *testing.T) {
	up := &upgrade.Upgrader{}
	if err := up.Shutdown(in(t, time.Minute), nil); err != nil {
		t.Error(err)
	}
}
