package upgrade_test

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

// A stool is a Seat that knows how often it was taken and given back.
type stool struct {
	none         bool
	taking       func()
	giving       func()
	taken, given atomic.Int64
}

func (s *stool) Take() bool {
	if s.taking != nil {
		s.taking()
	}
	if s.none {
		return false
	}
	s.taken.Add(1)
	return true
}

func (s *stool) Give() {
	s.given.Add(1)
	if s.giving != nil {
		s.giving()
	}
}

// A seat is given back exactly once, however the connection ends and wherever the upgrade fails.
func TestSeatIsGivenBack(t *testing.T) {
	quiet(t)
	panics := func(http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error) { panic("hijack") }
	closes := func(c *client) { c.send(closing); c.wantEnd() }
	for _, tc := range []struct {
		name    string
		session upgrade.Session
		outer   func(http.Handler) http.Handler
		edit    func(up *upgrade.Upgrader, first, second *stool)
		expires time.Duration
		client  func(c *client)
		status  int // 0 for no answer at all
		refused bool
	}{
		{name: "session returns", session: idle, client: (*client).wantEnd, status: 101},
		{name: "session panics", session: func(context.Context, *upgrade.Conn) error { panic("boom") }, client: closes, status: 101},
		{name: "session's goroutine exits", session: func(context.Context, *upgrade.Conn) error { runtime.Goexit(); return nil }, client: closes, status: 101},
		{name: "client closes", session: listen, client: closes, status: 101},
		{name: "client vanishes", session: listen, client: (*client).vanish, status: 101},
		{name: "client vanishes, nobody reads", session: wait, client: func(c *client) { c.vanish() }, status: 101, expires: 200 * time.Millisecond},
		{name: "client breaks the protocol", session: listen, client: func(c *client) { c.send("\x81\x00"); c.wantEnd() }, status: 101},
		{name: "session leaves a reader behind", session: func(ctx context.Context, c *upgrade.Conn) error { go listen(ctx, c); return nil }, client: closes, status: 101},
		{name: "session leaves half a frame behind", session: func(_ context.Context, c *upgrade.Conn) error {
			return ws.WriteHeader(c.NetConn(), ws.Header{Fin: true, OpCode: ws.OpText, Length: 5})
		}, client: (*client).wantEnd, status: 101},
		{name: "expires", session: listen, client: closes, status: 101, expires: 100 * time.Millisecond},
		{name: "cannot be hijacked", outer: opaque, status: 500},
		{name: "hijacker panics", outer: hijacker(panics)},
		{name: "101 cannot be written", outer: hijacker(brokenPipe)},
		{name: "second seat refused", edit: func(_ *upgrade.Upgrader, _, second *stool) { second.none = true }, client: closes, status: 101, refused: true},
		{name: "second seat panics", edit: func(_ *upgrade.Upgrader, _, second *stool) { second.taking = func() { panic("take") } }, refused: true},
		{name: "second seat panics when given back", session: idle, edit: func(_ *upgrade.Upgrader, _, second *stool) {
			second.giving = func() { panic("give") }
		}, client: closes, status: 101},
		{name: "shutdown begins", edit: func(up *upgrade.Upgrader, _, second *stool) {
			second.taking = func() { up.Shutdown(context.Background()) }
		}, client: func(c *client) { c.wantRestart(4503); c.bye() }, status: 101},
	} {
		t.Run(tc.name, func(t *testing.T) {
			first, second := &stool{}, &stool{}
			if tc.session == nil {
				tc.session = listen
			}
			up := &upgrade.Upgrader{LingerTimeout: 200 * time.Millisecond}
			if tc.edit != nil {
				tc.edit(up, first, second)
			}
			brings := policy.Allow().WithSeat(first)
			if tc.expires != 0 {
				brings = brings.WithExpiry(policy.Expiry{At: time.Now().Add(tc.expires), Owner: "a"})
			}
			// One verdict's seats are taken in order, an inner link's before an outer one's.
			h := up.Use(always(brings.WithSeat(second)))(up.Handler(run(tc.session)))
			if tc.outer != nil {
				h = tc.outer(h)
			}
			c := dial(t, newServer(t, h))
			c.send(request())
			if tc.status == 0 {
				c.wantEnd()
			} else {
				wantStatus(t, c.response(), tc.status)
			}
			if tc.client != nil {
				tc.client(c)
			}
			wantEmpty(t, up)
			want := int64(1)
			if tc.refused {
				want = 0
			}
			if first.taken.Load() != 1 || first.given.Load() != 1 || second.taken.Load() != want || second.given.Load() != want {
				t.Errorf("taken %d and %d times, given back %d and %d times",
					first.taken.Load(), second.taken.Load(), first.given.Load(), second.given.Load())
			}
		})
	}
}

// Who finds no seat is told so, before any session.
func TestNoSeat(t *testing.T) {
	for name, tc := range map[string]struct {
		up     *upgrade.Upgrader
		status int
	}{
		"close frame": {&upgrade.Upgrader{}, 101},
		"status":      {&upgrade.Upgrader{MaxLingering: -1}, 429},
	} {
		t.Run(name, func(t *testing.T) {
			events := &ledger{}
			tc.up.Observer = events
			full := always(policy.Allow().WithSeat(&stool{none: true}))
			c, res := handshake(t, newServer(t, tc.up.Use(full)(tc.up.Handler(run(func(context.Context, *upgrade.Conn) error {
				t.Error("a session ran")
				return nil
			})))))
			wantStatus(t, res, tc.status)
			if tc.status == 101 {
				c.wantClose(4429, "too_many_connections;do=backoff")
				c.bye()
			} else if p := problemOf(t, res); p.Slug != "too_many_connections" || p.Action != "backoff" {
				t.Errorf("got %+v", p)
			}
			if e := events.await(t, upgrade.Settled); e.Policy != "seats" || e.Verdict.Slug() != "too_many_connections" {
				t.Errorf("got %+v", e)
			}
			wantEmpty(t, tc.up)
		})
	}
}

func TestStatsCountSeats(t *testing.T) {
	up := &upgrade.Upgrader{}
	addr := newServer(t, up.Use(always(policy.Allow().WithSeat(&stool{}).WithSeat(&stool{})))(up.Handler(run(listen))))
	first, second := connect(t, addr), connect(t, addr)
	if s := up.Stats(); s.Seats != 4 || s.Live != 2 {
		t.Errorf("%d seats, %d live, want 4 and 2", s.Seats, s.Live)
	}
	first.leave(1000)
	second.leave(1000)
	wantEmpty(t, up)
}
