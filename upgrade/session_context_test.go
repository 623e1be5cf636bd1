package upgrade_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"reflect"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/wsverdict/wsverdict/upgrade"
)

func TestContextSaysWhy(t *testing.T) {
	for _, tc := range []struct {
		name string
		end  func(*client)
		want error
	}{
		{"close frame", func(c *client) { c.send(masked(ws.NewCloseFrame(ws.NewCloseFrameBody(4000, "bye")))) }, &upgrade.CloseError{Code: 4000, Reason: "bye"}},
		{"empty close frame", func(c *client) { c.send(masked(ws.NewCloseFrame(nil))) }, &upgrade.CloseError{Code: 1005}},
		{"in pieces", func(c *client) {
			for _, b := range []byte(masked(ws.NewTextFrame([]byte("\x88\x00"))) + masked(ws.NewCloseFrame(ws.NewCloseFrameBody(1001, "x")))) {
				c.send(string([]byte{b}))
			}
		}, &upgrade.CloseError{Code: 1001, Reason: "x"}},
		{"FIN", func(c *client) { c.Close() }, io.EOF},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cause := make(chan error, 1)
			c := admit(t, &upgrade.Upgrader{}, func(ctx context.Context, c *upgrade.Conn) error {
				if ctx.Err() != nil {
					t.Error("cancelled from the start")
				}
				b := make([]byte, 3)
				for ctx.Err() == nil {
					c.NetConn().Read(b)
				}
				cause <- context.Cause(ctx)
				return nil
			})
			tc.end(c)
			got := receive(t, cause)
			if !reflect.DeepEqual(got, tc.want) {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}

// A session's own read deadline says nothing of the peer.
func TestReadDeadlineIsNoEnd(t *testing.T) {
	c := admit(t, &upgrade.Upgrader{}, func(ctx context.Context, c *upgrade.Conn) error {
		conn := c.NetConn()
		conn.SetReadDeadline(time.Now().Add(-time.Second))
		if _, err := conn.Read(make([]byte, 1)); err == nil {
			t.Error("the deadline was not kept")
		}
		if ctx.Err() != nil {
			t.Errorf("cancelled: %v", context.Cause(ctx))
		}
		conn.SetReadDeadline(time.Time{})
		return echo(ctx, c)
	})
	c.wantEcho("hello")
	c.bye()
}

// A deadlineConn remembers the last deadline for both directions.
type deadlineConn struct {
	net.Conn
	last time.Time
}

func (c *deadlineConn) SetDeadline(t time.Time) error {
	c.last = t
	return c.Conn.SetDeadline(t)
}

// The handshake's deadline does not reach into the session.
func TestSessionBeginsWithoutDeadline(t *testing.T) {
	conn := &deadlineConn{}
	h := (&upgrade.Upgrader{}).Handler(run(func(context.Context, *upgrade.Conn) error {
		if !conn.last.IsZero() {
			t.Errorf("it ends at %v", conn.last)
		}
		return nil
	}))
	c, res := handshake(t, newServer(t, hijacker(func(w http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error) {
		inner, buf, err := w.(http.Hijacker).Hijack()
		conn.Conn, conn.last = inner, time.Now()
		return conn, buf, err
	})(h)))
	wantStatus(t, res, 101)
	c.wantClose(1000, "")
	c.bye()
}

func TestSessionEndCancelsContext(t *testing.T) {
	left := make(chan context.Context, 1)
	c := admit(t, &upgrade.Upgrader{}, func(ctx context.Context, _ *upgrade.Conn) error { left <- ctx; return nil })
	c.wantClose(1000, "")
	c.bye()
	ctx := receive(t, left)
	receive(t, ctx.Done())
	if !errors.Is(context.Cause(ctx), upgrade.ErrClosed) {
		t.Errorf("got %v", context.Cause(ctx))
	}
}
