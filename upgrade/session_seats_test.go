package upgrade_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
	"github.com/wsverdict/wsverdict/upgrade/upgradetest"
)

// A stool is a Seat that knows how often it was taken and given back.
type stool struct {
	none         bool
	err          error
	taking       func()
	giving       func()
	taken, given atomic.Int64
}

func (s *stool) Take(context.Context) (bool, error) {
	if s.taking != nil {
		s.taking()
	}
	if s.none || s.err != nil {
		return false, s.err
	}
	s.taken.Add(1)
	return true, nil
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
		{name: "expires", session: listen, client: func(c *client) { c.wantClose(4401, expiredText); c.bye() }, status: 101, expires: 100 * time.Millisecond},
		{name: "cannot be hijacked", outer: opaque, status: 500},
		{name: "hijacker panics", outer: hijacker(panics)},
		{name: "101 cannot be written", outer: hijacker(brokenPipe)},
		{name: "second seat refused", edit: func(_ *upgrade.Upgrader, _, second *stool) { second.none = true }, client: closes, status: 101, refused: true},
		{name: "second seat panics", edit: func(_ *upgrade.Upgrader, _, second *stool) { second.taking = func() { panic("take") } }, client: closes, status: 101, refused: true},
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
			up := &upgrade.Upgrader{LingerTimeout: 500 * time.Millisecond, SeatTimeout: patience}
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

// Who finds no seat is told so, before any session, and it is the policy that brought the seat that
// is reported. Where that one is hidden, so is the denial.
func TestNoSeat(t *testing.T) {
	t.Setenv("GODEBUG", "panicnil=1")
	for _, tc := range []struct {
		name   string
		up     *upgrade.Upgrader
		seat   *stool
		hidden bool
		status int
		slug   string
		why    upgrade.Why
	}{
		{name: "close frame", seat: &stool{none: true}, status: 429, slug: "too_many_connections"},
		{name: "status", up: &upgrade.Upgrader{MaxLingering: -1}, seat: &stool{none: true}, status: 429, slug: "too_many_connections", why: upgrade.WhyBudget},
		{name: "hidden", seat: &stool{none: true}, hidden: true, status: 429, slug: "too_many_connections", why: upgrade.WhyHidden},
		{name: "fails", seat: &stool{err: io.ErrUnexpectedEOF}, status: 503, slug: "seats_unavailable"},
		{name: "fails, hidden", seat: &stool{err: io.ErrUnexpectedEOF}, hidden: true, status: 503, slug: "seats_unavailable", why: upgrade.WhyHidden},
		{name: "panics", seat: &stool{taking: func() { panic("take") }}, status: 500, slug: "internal_error"},
		{name: "panics with nil", seat: &stool{taking: func() { panic(nil) }}, status: 500, slug: "internal_error"},
		{name: "panics, hidden", seat: &stool{taking: func() { panic("take") }}, hidden: true, status: 500, slug: "internal_error", why: upgrade.WhyHidden},
	} {
		t.Run(tc.name, func(t *testing.T) {
			quiet(t)
			if tc.up == nil {
				tc.up = &upgrade.Upgrader{}
			}
			events := &ledger{}
			tc.up.Observer, tc.up.SeatTimeout = events, patience
			p := policy.Named("places", always(policy.Allow().WithSeat(tc.seat)))
			if tc.hidden {
				p = policy.Hidden(p)
			}
			link := tc.up.Use(policy.Any(always(policy.Close(4403, "no")), p))
			c, res := handshake(t, newServer(t, link(tc.up.Handler(run(func(context.Context, *upgrade.Conn) error {
				t.Error("a session ran")
				return nil
			})))))
			if tc.why == 0 {
				wantStatus(t, res, 101)
				c.wantClose(uint16(4000+tc.status), tc.slug+";do=backoff")
				c.bye()
			} else {
				wantStatus(t, res, tc.status)
				if p := problemOf(t, res); p.Slug != tc.slug || p.Action != "backoff" {
					t.Errorf("got %+v", p)
				}
			}
			if e := events.await(t, upgrade.Settled); e.Policy != "places" || e.Verdict.Slug() != tc.slug || e.Why != tc.why {
				t.Errorf("got %+v", e)
			}
			wantEmpty(t, tc.up)
			if n := tc.up.Stats().Settled; len(n) != 1 || n[0].Count != 1 {
				t.Errorf("counted %+v, want one denial", n)
			}
		})
	}
}

func TestStatsCountSeats(t *testing.T) {
	up := &upgrade.Upgrader{SeatTimeout: patience}
	addr := newServer(t, up.Use(always(policy.Allow().WithSeat(&stool{}).WithSeat(&stool{})))(up.Handler(run(listen))))
	first, second := connect(t, addr), connect(t, addr)
	if s := up.Stats(); s.Seats != 4 || s.Live != 2 {
		t.Errorf("%d seats, %d live, want 4 and 2", s.Seats, s.Live)
	}
	first.leave(1000)
	second.leave(1000)
	wantEmpty(t, up)
}

// A Seat that hangs and ignores its context holds no handshake up. What it takes later is given back, and how many hang is bounded.
func TestSeatThatHangs(t *testing.T) {
	release := make(chan struct{})
	hanging := &stool{taking: func() { <-release }}
	up := &upgrade.Upgrader{SeatTimeout: time.Millisecond}
	h := up.Use(always(policy.Allow().WithSeat(hanging)))(up.Handler(run(idle)))
	c, res := handshake(t, newServer(t, h))
	wantStatus(t, res, 101)
	c.wantClose(4503, "seats_unavailable;do=backoff")
	c.bye()
	before := runtime.NumGoroutine()
	for range 1100 {
		h.ServeHTTP(httptest.NewRecorder(), memoryRequest())
	}
	if n := runtime.NumGoroutine() - before; n > 1030 {
		t.Errorf("%d goroutines hang", n)
	}
	close(release)
	upgradetest.Eventually(t, "what was taken too late is given back", func() bool {
		return hanging.given.Load() == 1024 && hanging.taken.Load() == 1024
	})
	wantEmpty(t, up)
}

// localStool is asked on the handshake's own goroutine.
type localStool struct{ stool }

func (*localStool) Local() {}

func TestLocalSeatCostsNoGoroutine(t *testing.T) {
	var inside string
	seat := &localStool{stool{taking: func() { inside = string(debug.Stack()) }}}
	up := &upgrade.Upgrader{}
	h := up.Use(always(policy.Allow().WithSeat(seat)))(up.Handler(run(idle)))
	h.ServeHTTP(httptest.NewRecorder(), memoryRequest())
	if !strings.Contains(inside, "TestLocalSeatCostsNoGoroutine") {
		t.Errorf("it was asked elsewhere:\n%s", inside)
	}
}
