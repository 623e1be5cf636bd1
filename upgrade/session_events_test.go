package upgrade_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

// What an Ended event says of each way to end. Frames count with their headers: six bytes of it in
// a client's, two in ours.
func TestEnded(t *testing.T) {
	quiet(t)
	hello := func(_ *testing.T, c *client) { c.say("hello") }
	for _, tc := range []struct {
		name    string
		session upgrade.Session
		client  func(t *testing.T, c *client)
		by      upgrade.ClosedBy
		code    uint16
		slug    string // of the verdict
		cause   any    // the type of Err
		in, out uint64 // messages
		inBytes uint64
		outByte uint64
	}{
		{name: "client closes", session: echoAll, by: upgrade.ByClient, code: 4321, cause: new(*upgrade.CloseError),
			client: func(t *testing.T, c *client) { hello(t, c); c.leave(4321) }, in: 1, out: 1, inBytes: 11 + 8, outByte: 7 + 4},
		{name: "client closes without a code", session: echoAll, by: upgrade.ByClient, code: 1005, cause: new(*upgrade.CloseError),
			client: func(_ *testing.T, c *client) { c.send("\x88\x80\x00\x00\x00\x00"); c.wantEnd() }, inBytes: 6, outByte: 2},
		{name: "session returns nil", session: func(ctx context.Context, c *upgrade.Conn) error { c.Read(ctx, nil); return nil },
			by: upgrade.ByServer, code: 1000, cause: new(error), in: 1, inBytes: 11, outByte: 4,
			client: func(_ *testing.T, c *client) {
				c.send(masked(ws.NewTextFrame([]byte("hello"))))
				c.wantClose(1000, "")
				c.bye()
			}},
		{name: "verdict", session: closeExpired, by: upgrade.ByServer, code: 4401, slug: "token_expired", cause: new(policy.Verdict),
			client: func(_ *testing.T, c *client) { c.wantClose(4401, expiredText); c.bye() }, outByte: 4 + uint64(len(expiredText))},
		{name: "error", session: func(context.Context, *upgrade.Conn) error { return errSecret }, by: upgrade.ByServer, code: 1011, cause: new(error),
			client: func(_ *testing.T, c *client) { c.wantClose(1011, "internal_error;do=backoff"); c.bye() }, outByte: 4 + 25},
		{name: "panic", session: func(context.Context, *upgrade.Conn) error { panic("boom") }, by: upgrade.ByServer, code: 1011, cause: new(*upgrade.PanicError),
			client: func(_ *testing.T, c *client) { c.wantClose(1011, "internal_error;do=backoff"); c.bye() }, outByte: 4 + 25},
		{name: "protocol error", session: echoAll, by: upgrade.ByServer, code: 1002, cause: new(*upgrade.ProtocolError),
			client: func(_ *testing.T, c *client) { c.send("\x81\x00"); c.wantEnd() }, inBytes: 2, outByte: 4 + 22},
		{name: "client vanishes", session: echoAll, by: upgrade.ByNetwork, code: 1006, cause: new(error),
			client: func(t *testing.T, c *client) { hello(t, c); c.vanish() }, in: 1, out: 1, inBytes: 11, outByte: 7},
		{name: "client resets", session: echoAll, by: upgrade.ByNetwork, code: 1006, cause: new(*net.OpError),
			client: func(_ *testing.T, c *client) { c.Conn.(*net.TCPConn).SetLinger(0); c.vanish() }},
		{name: "half a frame left behind", session: func(_ context.Context, c *upgrade.Conn) error {
			return ws.WriteHeader(c.NetConn(), ws.Header{Fin: true, OpCode: ws.OpText, Length: 5})
		}, by: upgrade.ByServer, code: 1000, cause: new(error), client: func(_ *testing.T, c *client) { c.wantEnd() }, outByte: 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			events := &ledger{}
			up := &upgrade.Upgrader{Observer: events, LingerTimeout: 200 * time.Millisecond}
			addr := newServer(t, tagged(up)(up.Handler(run(tc.session))))
			begun := time.Now()
			c := connect(t, addr, at("user=alice"))
			tc.client(t, c)
			e := events.await(t, upgrade.Ended)
			s := e.Session
			if s.ClosedBy != tc.by || e.CloseCode != tc.code || e.Policy != "session" || e.Outcome != 0 {
				t.Errorf("closed by %v with %d: %+v, want %v, %d", s.ClosedBy, e.CloseCode, e, tc.by, tc.code)
			}
			if slug := e.Verdict.Slug(); slug != tc.slug {
				t.Errorf("verdict %q, want %q", slug, tc.slug)
			}
			if e.Err == nil || !errors.As(e.Err, tc.cause) {
				t.Errorf("cause %T %v, want a %T", e.Err, e.Err, tc.cause)
			}
			if s.MessagesRead != tc.in || s.MessagesWritten != tc.out || s.BytesRead != tc.inBytes || s.BytesWritten != tc.outByte {
				t.Errorf("%d messages of %d bytes read, %d of %d written, want %d of %d, %d of %d", s.MessagesRead, s.BytesRead,
					s.MessagesWritten, s.BytesWritten, tc.in, tc.inBytes, tc.out, tc.outByte)
			}
			if e.Duration <= 0 || e.Duration > time.Since(begun) {
				t.Errorf("it lived for %v", e.Duration)
			}
			if !slices.Equal(s.Tags, []policy.Tag{user("alice")}) || s.ID == 0 || s.RemoteAddr.String() != c.LocalAddr().String() {
				t.Errorf("got %+v", s)
			}
			wantEmpty(t, up)
			wantOrder(t, events, s.ID)
		})
	}
}

// wantOrder wants the one session's events once each, in order.
func wantOrder(t *testing.T, l *ledger, id uint64) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	var kinds []string
	for _, e := range l.events {
		kinds = append(kinds, e.Kind.String())
		if e.Kind != upgrade.Settled && e.Session.ID != id {
			t.Errorf("session %d in an event of %d", e.Session.ID, id)
		}
	}
	if got := strings.ReplaceAll(strings.Join(kinds, " "), " panicked", ""); got != "settled started ended" {
		t.Errorf("events %q", got)
	}
}

// Bytes that came with the handshake count too.
func TestEarlyBytesCount(t *testing.T) {
	for name, s := range map[string]upgrade.Session{"messages": echoAll, "raw": echo} {
		events := &ledger{}
		up := &upgrade.Upgrader{Observer: events}
		c := dial(t, newServer(t, up.Handler(run(s))))
		c.send(request() + masked(ws.NewTextFrame([]byte("hello"))))
		wantStatus(t, c.response(), 101)
		c.frame()
		c.send(closing)
		c.wantEnd()
		e := events.await(t, upgrade.Ended)
		if s := e.Session; s.MessagesRead != 1 || s.BytesRead < 11 || s.BytesRead > 11+8 || s.MessagesWritten != 1 {
			t.Errorf("%s: got %+v", name, s)
		}
	}
}

// A panic is one session's: reported with its stack, and the others do not notice.
func TestPanicEndsNothingElse(t *testing.T) {
	events := &ledger{}
	up := &upgrade.Upgrader{Observer: events}
	other := admit(t, up, echoAll)
	c := admit(t, up, func(ctx context.Context, c *upgrade.Conn) error {
		go listen(ctx, c)
		panic(errSecret)
	})
	c.wantClose(1011, "internal_error;do=backoff")
	c.bye()
	e := events.await(t, upgrade.Panicked)
	var p *upgrade.PanicError
	if !errors.As(e.Err, &p) || !errors.Is(e.Err, errSecret) || !strings.Contains(string(p.Stack), "TestPanicEndsNothingElse") || e.Session.ID == 0 {
		t.Errorf("got %+v", e)
	}
	other.say("still here")
	other.leave(1000)
	wantEmpty(t, up)
}

// An Observer that panics is no reason for a connection to suffer.
func TestObserverPanicsOverSessions(t *testing.T) {
	quiet(t)
	up := &upgrade.Upgrader{Observer: upgrade.ObserverFunc(func(upgrade.Event) { panic("observer") })}
	c := admit(t, up, echoAll)
	c.say("hello")
	c.leave(1000)
	wantEmpty(t, up)
	if err := up.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}
