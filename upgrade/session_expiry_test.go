package upgrade_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

// expiring is an allow whose connection expires.
func expiring(owner string, in time.Duration) policy.Verdict {
	return policy.Allow().WithExpiry(policy.Expiry{At: time.Now().Add(in), Owner: owner, Subject: "alice"})
}

func TestExpiry(t *testing.T) {
	const soon = 250 * time.Millisecond
	for _, tc := range []struct {
		name    string
		links   func() []policy.Verdict // from the outside
		session upgrade.Session
		profile codes.Profile
		code    uint16
	}{
		{name: "one", links: expirings(soon), session: listen, code: 4401},
		{name: "earliest of one verdict's, first", links: func() []policy.Verdict {
			return []policy.Verdict{expiring("a", soon).WithExpiry(policy.Expiry{At: time.Now().Add(time.Hour), Owner: "b"})}
		}, session: listen, code: 4401},
		{name: "earliest of one verdict's, last", links: func() []policy.Verdict {
			return []policy.Verdict{expiring("a", time.Hour).WithExpiry(policy.Expiry{At: time.Now().Add(soon), Owner: "b"})}
		}, session: listen, code: 4401},
		{name: "earliest of two links', outer", links: expirings(soon, time.Hour), session: listen, code: 4401},
		{name: "earliest of two links', inner", links: expirings(1<<63-1, soon), session: listen, code: 4401},
		{name: "passed already", links: expirings(-time.Hour), session: listen, code: 4401},
		{name: "a session that does not read", links: expirings(soon), session: wait, code: 4401},
		{name: "profile", links: expirings(soon), session: listen, profile: codes.IANA, code: 3000},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				up := &upgrade.Upgrader{PingInterval: -1, Profile: tc.profile}
				cause := make(chan error, 1)
				h := up.Handler(run(func(ctx context.Context, c *upgrade.Conn) error {
					err := tc.session(ctx, c)
					cause <- context.Cause(ctx)
					return err
				}))
				earliest := time.Unix(1<<40, 0)
				for _, v := range slices.Backward(tc.links()) {
					for e := range v.Expiries() {
						if e.At.Before(earliest) {
							earliest = e.At
						}
					}
					h = up.Use(always(v))(h)
				}
				c := connectInMemory(t, h)
				begin := time.Now()
				c.wantClose(tc.code, expiredText)
				if now := time.Now(); now.Before(earliest) || now.Sub(begin) > time.Second {
					t.Errorf("closed after %v, %v early", now.Sub(begin), earliest.Sub(now))
				}
				c.bye()
				if err := receive(t, cause); !errors.Is(err, upgrade.ErrClosed) || !errors.Is(err, expired) {
					t.Errorf("the context's cause is %v", err)
				}
				wantEmpty(t, up)
			})
		})
	}
}

// expirings are verdicts of two owners that expire in these times from now on.
func expirings(in ...time.Duration) func() []policy.Verdict {
	return func() (all []policy.Verdict) {
		for i, d := range in {
			all = append(all, expiring(string(rune('a'+i)), d))
		}
		return all
	}
}

// Extend moves the expiry of the connection that is there. That one lives on is seen beside
// another, which was not extended.
func TestExtend(t *testing.T) {
	synctest.Test(t, testExtend)
}

func testExtend(t *testing.T) {
	up := &upgrade.Upgrader{}
	extend := func(e policy.Expiry) upgrade.Session {
		return func(ctx context.Context, c *upgrade.Conn) error {
			if err := c.Extend(e); err != nil {
				t.Errorf("Extend: %v", err)
			}
			return echoAll(ctx, c)
		}
	}
	server := func(v policy.Verdict, s upgrade.Session) *client {
		return connectInMemory(t, up.Use(always(v))(up.Handler(run(s))))
	}
	mine := policy.Expiry{At: time.Now().Add(time.Hour), Owner: "a", Subject: "alice"}
	never := mine
	never.At = time.Time{}
	now := mine
	now.At = time.Now()

	later := server(expiring("a", 300*time.Millisecond), extend(mine))
	removed := server(expiring("a", 300*time.Millisecond), extend(never))
	witness := server(expiring("a", 700*time.Millisecond), listen)
	sooner := server(expiring("a", time.Hour), extend(now))
	other := server(expiring("a", time.Hour).WithExpiry(policy.Expiry{At: time.Now().Add(300 * time.Millisecond), Owner: "b"}), extend(mine))
	again := server(expiring("a", time.Hour), func(ctx context.Context, c *upgrade.Conn) error {
		return errors.Join(c.Extend(never), c.Extend(now), listen(ctx, c))
	})
	for _, c := range []*client{sooner, other, again, witness} {
		c.wantClose(4401, expiredText)
		c.bye()
	}
	for _, c := range []*client{later, removed} {
		c.say("still here")
		c.leave(1000)
	}
	wantEmpty(t, up)
}

func TestExtendRefuses(t *testing.T) {
	up := &upgrade.Upgrader{}
	conns := make(chan *upgrade.Conn, 1)
	h := up.Use(always(expiring("a", time.Hour)))(up.Handler(run(func(ctx context.Context, c *upgrade.Conn) error {
		conns <- c
		return listen(ctx, c)
	})))
	c := connect(t, newServer(t, h))
	conn := receive(t, conns)
	for _, tc := range []struct {
		name           string
		owner, subject string
		want           error
	}{
		{name: "another subject", owner: "a", subject: "bob", want: upgrade.ErrSubject},
		{name: "no subject", owner: "a", subject: "", want: upgrade.ErrSubject},
		{name: "another owner", owner: "b", subject: "alice", want: upgrade.ErrNoExpiry},
	} {
		if err := conn.Extend(policy.Expiry{At: time.Now().Add(-time.Hour), Owner: tc.owner, Subject: tc.subject}); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", tc.name, err, tc.want)
		}
	}
	conn.Close(policy.Close(codes.Forbidden, "banned"))
	err := conn.Extend(policy.Expiry{At: time.Now().Add(time.Hour), Owner: "a", Subject: "alice"})
	if v := (policy.Verdict{}); !errors.Is(err, upgrade.ErrClosed) || !errors.As(err, &v) || v.Slug() != "banned" {
		t.Errorf("on a closed connection: %v", err)
	}
	c.wantClose(4403, "banned;do=stop") // and not expired by what was refused
	c.bye()
}

// One goroutine keeps the time of all connections, and none where there are none.
func TestOneGoroutineKeepsTime(t *testing.T) {
	const n = 50
	up := &upgrade.Upgrader{PingInterval: time.Minute}
	h := up.Use(always(expiring("a", time.Hour).WithTag("room", "1")))(up.Handler(run(listen)))
	addr := newServer(t, h)
	eventually(t, "the wheels of other tests stand still", func() bool { return len(stacks("upgrade.(*live)")) == 0 })
	clients := make([]*client, n)
	for i := range clients {
		clients[i] = connect(t, addr)
	}
	eventually(t, "every session reads", func() bool { return len(stacks("upgrade_test.listen")) == n })
	eventually(t, "one goroutine for each connection, and one more", func() bool { return len(stacks("wsverdict/upgrade.")) == n+1 })
	eventually(t, "one goroutine keeps the time", func() bool { return len(stacks("upgrade.(*live)")) == 1 })
	for _, c := range clients {
		c.leave(1000)
	}
	wantEmpty(t, up)
	eventually(t, "the wheel stands still", func() bool { return len(stacks("upgrade.(*live)")) == 0 })

	// It turns again for the next.
	c := connect(t, newServer(t, up.Use(always(expiring("a", 0)))(up.Handler(run(listen)))))
	c.wantClose(4401, expiredText)
	c.bye()
}
