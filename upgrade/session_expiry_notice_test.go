package upgrade_test

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"

	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
	"github.com/wsverdict/wsverdict/upgrade/upgradetest"
)

// The session is told before its expiry, and again when that has moved.
func TestBeforeExpiry(t *testing.T) {
	t.Parallel()
	told := make(chan time.Time, 10)
	first, second := time.Now().Add(time.Minute), time.Now().Add(2*time.Minute)
	e := policy.Expiry{At: first, Owner: "a", Subject: "alice"}
	up := &upgrade.Upgrader{}
	c := connect(t, newServer(t, up.Use(always(policy.Allow().WithExpiry(e)))(up.Handler(run(
		func(ctx context.Context, c *upgrade.Conn) error {
			c.BeforeExpiry(time.Hour, func(at time.Time) {
				told <- at
				if at.Equal(first) {
					e.At = second
					if err := c.Extend(e); err != nil {
						t.Error(err)
					}
				}
				c.Write(ctx, upgrade.Text, []byte("renew"))
			})
			return listen(ctx, c)
		})))))
	for _, want := range []time.Time{first, second} {
		if f := c.frame(); string(f.Payload) != "renew" {
			t.Errorf("got %q", f.Payload)
		}
		if at := receive(t, told); !at.Equal(want) {
			t.Errorf("told of %v, want %v", at, want)
		}
	}
	c.leave(1000)
	wantEmpty(t, up)
	if len(told) != 0 {
		t.Errorf("told %d times too often", len(told))
	}
}

// It comes before the close, not with the admission.
func TestBeforeExpiryIsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const ahead = 400 * time.Millisecond
		up := &upgrade.Upgrader{}
		told := make(chan time.Duration, 1)
		c := connectInMemory(t, up.Use(always(expiring("a", 2*ahead)))(up.Handler(run(
			func(ctx context.Context, c *upgrade.Conn) error {
				c.BeforeExpiry(ahead, func(expires time.Time) { told <- time.Until(expires) })
				return listen(ctx, c)
			}))))
		if left := receive(t, told); left > ahead || left <= 0 {
			t.Errorf("told %v before", left)
		}
		c.wantClose(4401, expiredText)
		c.bye()
	})
}

// A panic in it is a session's; nobody is called where nothing expires, and none who was taken back.
func TestBeforeExpiryPanics(t *testing.T) {
	t.Parallel()
	events := &ledger{}
	up := &upgrade.Upgrader{Observer: events}
	session := func(ctx context.Context, c *upgrade.Conn) error {
		c.BeforeExpiry(time.Hour, func(time.Time) { t.Error("called") })
		c.BeforeExpiry(time.Hour, nil)
		c.BeforeExpiry(-time.Hour, func(time.Time) { t.Error("called") })
		c.BeforeExpiry(1<<63-1, func(time.Time) { panic("notice") })
		return listen(ctx, c)
	}
	c := connect(t, newServer(t, up.Use(always(expiring("a", time.Hour)))(up.Handler(run(session)))))
	c.wantClose(1011, "internal_error;do=backoff")
	c.bye()
	events.await(t, upgrade.Panicked)
	never := admit(t, up, session)
	never.leave(1000)
}

// Observers are told ahead of an expiry, and again when that has moved, of connections that they know of; the
// session is told for itself. What they send, its client gets.
func TestExpiryNotice(t *testing.T) {
	t.Parallel()
	first, second := time.Now().Add(time.Minute), time.Now().Add(2*time.Minute)
	e := policy.Expiry{At: first, Owner: "a", Subject: "alice"}
	please, _ := upgrade.Prepare(upgrade.Text, []byte("renew"))
	asks := upgrade.ObserverFunc(func(e upgrade.Event) {
		if e.Kind == upgrade.Expiring {
			e.Conn.Send(please)
		}
	})
	seen, log := newRecorder(), new(strings.Builder)
	up := &upgrade.Upgrader{Observer: upgrade.Observers{asks, upgrade.LogObserver(slog.New(slog.NewTextHandler(log, nil))), seen}, ExpiryNotice: time.Hour}
	endpoint := up.Handler(run(func(ctx context.Context, c *upgrade.Conn) error {
		c.BeforeExpiry(time.Hour, func(time.Time) { c.Write(ctx, upgrade.Text, []byte("session")) })
		if _, _, err := c.Read(ctx, nil); err != nil {
			return err
		}
		e.At = second
		c.Extend(e)
		return listen(ctx, c)
	}))
	c := connect(t, newServer(t, up.Use(always(policy.Allow().WithExpiry(e).WithTag("user", "alice")))(endpoint)))
	for _, kind := range []upgrade.Kind{upgrade.Settled, upgrade.Started} {
		if e := seen.Next(t); e.Kind != kind || e.Conn != nil {
			t.Fatalf("told of %v, %v, want %v", e.Kind, e.Conn, kind)
		}
	}
	for _, at := range []time.Time{first, second} {
		e := seen.Next(t)
		if left := time.Until(at); e.Kind != upgrade.Expiring || e.Duration < left || e.Duration > left+10*time.Second ||
			e.Verdict.Slug() != "token_expired" || e.Session.ID != e.Conn.ID() || e.Session.Tags[0].Value != "alice" {
			t.Errorf("told of %v in %v: %+v", e.Kind, e.Duration, e)
		}
		got := map[string]int{}
		for range 2 {
			got[string(c.frame().Payload)]++
		}
		if got["renew"] != 1 || got["session"] != 1 {
			t.Errorf("the client got %v", got)
		}
		if at.Equal(first) {
			c.send(masked(ws.NewTextFrame(nil)))
		}
	}
	c.leave(1000)
	if e := seen.Next(t); e.Kind != upgrade.Ended {
		t.Errorf("told of %v", e.Kind)
	}
	wantEmpty(t, up)
	if n := strings.Count(log.String(), "websocket expiring"); n != 2 || !strings.Contains(log.String(), "slug=token_expired") {
		t.Errorf("logged %d times:\n%s", n, log)
	}
}

// It comes that long before the close, and not at all where nothing expires or nobody asked for it.
func TestExpiryNoticeIsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tc := range []struct {
			name        string
			lives, asks time.Duration // 0 for no expiry, and for nobody who asks
			told        []time.Duration
		}{
			{"ahead", time.Hour, time.Minute, []time.Duration{time.Minute}},
			{"as soon as it is there", 30 * time.Second, time.Minute, []time.Duration{30 * time.Second}},
			{"not asked for", time.Hour, 0, nil},
			{"no expiry", 0, time.Minute, nil},
		} {
			seen := &ledger{}
			up := &upgrade.Upgrader{Observer: seen, ExpiryNotice: tc.asks}
			h := up.Handler(run(func(ctx context.Context, c *upgrade.Conn) error {
				ctx, cancel := context.WithTimeout(ctx, 2*time.Hour)
				defer cancel()
				if err := listen(ctx, c); ctx.Err() == nil {
					return err
				}
				return nil
			}))
			if tc.lives > 0 {
				h = up.Use(always(expiring("a", tc.lives)))(h)
			}
			c := upgradetest.Open(t, h, "/ws")
			if tc.lives > 0 {
				c.WantClose(4401, expiredText)
			} else {
				c.WantClose(1000, "")
			}
			c.Bye()
			wantEmpty(t, up)
			var told []time.Duration
			for _, e := range seen.all(upgrade.Expiring) {
				told = append(told, e.Duration)
			}
			if !slices.EqualFunc(told, tc.told, func(got, want time.Duration) bool { return got <= want && got > want-time.Second }) {
				t.Errorf("%s: told %v before, want %v", tc.name, told, tc.told)
			}
		}
	})
}
