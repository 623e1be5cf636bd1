package upgrade_test

import (
	"context"
	"testing"
	"time"

	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
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
	t.Parallel()
	up := &upgrade.Upgrader{}
	var at, told time.Time
	c := connect(t, newServer(t, up.Use(always(expiring("a", 800*time.Millisecond)))(up.Handler(run(
		func(ctx context.Context, c *upgrade.Conn) error {
			c.BeforeExpiry(400*time.Millisecond, func(expires time.Time) {
				at, told = expires, time.Now()
				c.Write(ctx, upgrade.Text, nil)
			})
			return listen(ctx, c)
		})))))
	c.frame()
	if told.Before(at.Add(-400 * time.Millisecond)) {
		t.Errorf("told %v before", at.Sub(told))
	}
	c.wantClose(4401, expiredText)
	c.bye()
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
