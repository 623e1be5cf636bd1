package upgrade_test

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/wsverdict/wsverdict/upgrade"
)

// result is what a session saw of the end: its read's error, and the cause of its context.
type result struct{ read, cause error }

func listener(results chan<- result) upgrade.Session {
	return func(ctx context.Context, c *upgrade.Conn) error {
		ctx.Done() // who has asked for it before must find the cause as well
		err := listen(ctx, c)
		results <- result{err, context.Cause(ctx)}
		return err
	}
}

func TestClientClosesFirst(t *testing.T) {
	for _, tc := range []struct {
		name   string
		frame  string
		code   uint16 // as the session gets to know it
		reason string
		answer uint16
	}{
		{name: "code and reason", frame: masked(ws.NewCloseFrame(ws.NewCloseFrameBody(4321, "moving house"))), code: 4321, reason: "moving house", answer: 4321},
		{name: "code", frame: masked(ws.NewCloseFrame(ws.NewCloseFrameBody(1001, ""))), code: 1001, answer: 1001},
		{name: "none", frame: masked(ws.NewCloseFrame(nil)), code: 1005},
	} {
		t.Run(tc.name, func(t *testing.T) {
			results := make(chan result, 1)
			up := &upgrade.Upgrader{LingerTimeout: time.Hour}
			c := admit(t, up, listener(results))
			c.send(tc.frame)
			if f := c.frame(); f.Header.OpCode != ws.OpClose || tc.answer == 0 && len(f.Payload) > 0 {
				t.Errorf("got %+v %q", f.Header, f.Payload)
			} else if code, reason := ws.ParseCloseFrameData(f.Payload); tc.answer != 0 && (uint16(code) != tc.answer || reason != "") {
				t.Errorf("answered with %d %q", code, reason)
			}
			c.wantEOF() // the server closes first (RFC 6455 §7.1.1)
			r := receive(t, results)
			for _, err := range []error{r.read, r.cause} {
				var e *upgrade.CloseError
				if !errors.As(err, &e) || e.Code != tc.code || e.Reason != tc.reason || errors.Is(err, upgrade.ErrClosed) {
					t.Errorf("got %v, want the client's %d %q", err, tc.code, tc.reason)
				}
			}
			wantEmpty(t, up)
		})
	}
}

// A client that half-closes behind its close frame, while a message is on its way to it, gets the rest
// of that and the answer.
func TestHalfClosedWhileWriting(t *testing.T) {
	const size = 8 << 20 // more than sockets have room for
	up := &upgrade.Upgrader{LingerTimeout: time.Hour, WriteTimeout: time.Hour}
	returned := make(chan struct{})
	c := admit(t, up, func(ctx context.Context, c *upgrade.Conn) error {
		defer close(returned)
		go c.Write(ctx, upgrade.Binary, make([]byte, size))
		return listen(ctx, c)
	})
	if _, err := c.in.Peek(1); err != nil { // it is being written
		t.Fatal(err)
	}
	c.send(masked(ws.NewCloseFrame(ws.NewCloseFrameBody(4321, ""))))
	if err := c.Conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	receive(t, returned)
	if f := c.frame(); f.Header.Length != size {
		t.Fatalf("got %+v", f.Header)
	}
	if code, _ := c.closed(); code != 4321 {
		t.Errorf("answered with %d", code)
	}
	c.wantEOF()
	wantEmpty(t, up)
}

// The server goes first, and waits for the answer. What the client still says is read and dropped,
// and its code changes nothing.
func TestServerClosesFirst(t *testing.T) {
	results, conns := make(chan result, 1), make(chan *upgrade.Conn, 1)
	events := &ledger{}
	up := &upgrade.Upgrader{LingerTimeout: time.Hour, Observer: events}
	c := admit(t, up, func(ctx context.Context, c *upgrade.Conn) error {
		conns <- c
		return listener(results)(ctx, c)
	})
	conn := receive(t, conns)
	if err := conn.Close(banned); err != nil {
		t.Fatal(err)
	}
	c.wantClose(4403, bannedText)
	c.send(masked(ws.NewBinaryFrame(make([]byte, 100_000))) + masked(ws.NewPingFrame([]byte("unanswered"))))
	c.send(masked(ws.NewCloseFrame(ws.NewCloseFrameBody(4321, "whatever"))))
	c.wantEOF()
	r := receive(t, results)
	for _, err := range []error{r.read, r.cause} {
		if !errors.Is(err, upgrade.ErrClosed) || !errors.Is(err, banned) {
			t.Errorf("got %v, want the verdict", err)
		}
	}
	if e := events.await(t, upgrade.Ended); e.Session.ClosedBy != upgrade.ByServer || e.CloseCode != 4403 || e.Verdict.Slug() != "banned" {
		t.Errorf("got %+v", e)
	}
	wantEmpty(t, up)
}

// Both at the same time: each has sent its close frame before it sees the other's, and both are
// content.
func TestBothCloseAtOnce(t *testing.T) {
	events := &ledger{}
	up := &upgrade.Upgrader{LingerTimeout: time.Hour, Observer: events}
	for range 20 {
		results, conns := make(chan result, 1), make(chan *upgrade.Conn, 1)
		c := admit(t, up, func(ctx context.Context, c *upgrade.Conn) error {
			conns <- c
			return listener(results)(ctx, c)
		})
		conn := receive(t, conns)
		go conn.Close(banned)
		c.send(masked(ws.NewCloseFrame(ws.NewCloseFrameBody(4321, ""))))
		code, _ := c.closed()
		c.wantEOF()
		r := receive(t, results)
		var e *upgrade.CloseError
		switch {
		case code == 4403 && errors.Is(r.cause, banned) && errors.Is(r.read, banned):
		case code == 4321 && errors.As(r.cause, &e) && errors.As(r.read, &e) && e.Code == 4321:
		default:
			t.Errorf("the client saw %d, the read %v, the context %v", code, r.read, r.cause)
		}
	}
	wantEmpty(t, up)
	for _, e := range events.all(upgrade.Ended) {
		if by := e.Session.ClosedBy; (by == upgrade.ByServer) != (e.CloseCode == 4403) || by == upgrade.ByNetwork {
			t.Errorf("closed by %v with %d", by, e.CloseCode)
		}
	}
}

// A heldConn holds its writes up until they are let go.
type heldConn struct {
	net.Conn
	held, letGo chan struct{}
}

func (c *heldConn) Write(p []byte) (int, error) {
	close(c.held)
	<-c.letGo
	return c.Conn.Write(p)
}

// The client's close frame may be here while ours is still being written, and the session gone:
// ours arrives all the same.
func TestCloseFrameOnItsWay(t *testing.T) {
	held := &heldConn{held: make(chan struct{}), letGo: make(chan struct{})}
	results, conns := make(chan result, 1), make(chan *upgrade.Conn, 1)
	up := &upgrade.Upgrader{LingerTimeout: time.Hour}
	h := up.Handler(run(func(ctx context.Context, c *upgrade.Conn) error {
		conns <- c
		return listener(results)(ctx, c)
	}))
	c := connect(t, newServer(t, hijacker(func(w http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error) {
		conn, buf, err := w.(http.Hijacker).Hijack()
		held.Conn = conn
		return held, buf, err
	})(h)))
	conn := receive(t, conns)
	go conn.Close(banned)
	receive(t, held.held)
	c.send(closing)
	if r := receive(t, results); !errors.Is(r.read, banned) || !errors.Is(r.cause, banned) {
		t.Errorf("got %+v, want the verdict", r)
	}
	eventually(t, "the session is over", func() bool { return len(stacks("(*lingerer).wait")) > 0 || up.Stats().Live == 0 })
	close(held.letGo)
	c.wantClose(4403, bannedText)
	c.wantEOF()
	wantEmpty(t, up)
}

// A client that does not answer is not waited for longer than LingerTimeout and the last moment
// behind it.
func TestClientNeverAnswers(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]upgrade.Session{"the session returned": closeExpired, "the session stays": func(ctx context.Context, c *upgrade.Conn) error {
		c.Close(expired)
		return listen(ctx, c)
	}} {
		t.Run(name, func(t *testing.T) {
			up := &upgrade.Upgrader{LingerTimeout: 200 * time.Millisecond}
			c := admit(t, up, s)
			c.wantClose(4401, expiredText)
			c.wantEOF()
			wantEmpty(t, up) // with the client still there
		})
	}
}
