package upgrade_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/wsverdict/wsverdict/upgrade"
)

// One goroutine reads, another writes, and each asks for the connection when it needs it.
func TestRawReadsAndWritesAtOnce(t *testing.T) {
	c := admit(t, &upgrade.Upgrader{}, func(_ context.Context, c *upgrade.Conn) error {
		left := make(chan error, 1)
		reading := make(chan struct{})
		go func() {
			conn := c.NetConn()
			close(reading)
			_, err := readFrame(conn)
			left <- err
		}()
		<-reading
		if err := wsutil.WriteServerText(c.NetConn(), []byte("unasked")); err != nil {
			return err
		}
		return receive(t, left)
	})
	c.wantWords("text unasked")
	c.send(textFrame("answer"))
	c.wantClose(1000, "")
	c.bye()
}

// Pings and a close frame of the Upgrader go between frames that wsutil writes in two calls, at any
// moment.
func TestRawUnderPressure(t *testing.T) {
	for range 10 {
		conns := make(chan *upgrade.Conn, 1)
		up := &upgrade.Upgrader{PingInterval: 100 * time.Millisecond, PingTimeout: time.Hour, LingerTimeout: time.Hour}
		c := admit(t, up, func(_ context.Context, c *upgrade.Conn) error {
			conn := c.NetConn()
			go func() { // whoever reads is waited for: hence the pings
				for {
					if _, err := readFrame(conn); err != nil {
						return
					}
				}
			}()
			conns <- c
			for i := 0; ; i++ {
				size := []int{0, 125, 126, 3000, 70_000}[i%5]
				if err := wsutil.WriteServerBinary(conn, make([]byte, size)); err != nil {
					return nil
				}
			}
		})
		conn := receive(t, conns)
		for frames := 0; ; frames++ {
			f := c.frame()
			if frames == 50 {
				go conn.Close(expired)
			}
			if f.Header.OpCode == ws.OpClose {
				break
			}
			if f.Header.OpCode != ws.OpPing && f.Header.OpCode != ws.OpBinary || !bytes.Equal(f.Payload, make([]byte, len(f.Payload))) {
				t.Fatalf("got %+v", f.Header)
			}
		}
		c.bye()
	}
}

// Once the connection is being closed the session's deadlines have no say: a past one would cost
// the client its answer.
func TestDeadlinesAfterClose(t *testing.T) {
	past := time.Unix(1, 0)
	up := &upgrade.Upgrader{LingerTimeout: time.Hour}
	addr, taps := newTapped(t, up.Handler(run(func(_ context.Context, c *upgrade.Conn) error {
		conn := c.NetConn()
		conn.SetReadDeadline(past)
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Read: %v", err)
		}
		conn.SetReadDeadline(time.Time{}) // its own affair, and not for good
		if err := c.Close(expired); err != nil {
			t.Error(err)
		}
		for _, set := range []func(time.Time) error{conn.SetDeadline, conn.SetReadDeadline, conn.SetWriteDeadline} {
			if err := set(past); err != nil {
				t.Error(err)
			}
		}
		return nil
	})))
	c, res := handshake(t, addr)
	wantStatus(t, res, 101)
	c.wantClose(4401, expiredText)
	c.send(textFrame("still on its way"))
	c.bye()
	if ops, _, _ := receive(t, taps).log(t); strings.Contains(ops, "fin") {
		t.Errorf("it was given up: %s", ops)
	}
}

// A frame that is never finished keeps the writer's lock for good. The connection ends all the
// same, and the Observer hears of it.
func TestUnfinishedFrameIsReported(t *testing.T) {
	events := &ledger{}
	c := admit(t, &upgrade.Upgrader{Observer: events}, func(_ context.Context, c *upgrade.Conn) error {
		return ws.WriteHeader(c.NetConn(), ws.Header{Fin: true, OpCode: ws.OpText, Length: 5})
	})
	if _, err := io.ReadFull(c.in, make([]byte, 2)); err != nil {
		t.Fatal(err)
	}
	c.Conn.Close()
	if e := events.await(t, upgrade.Ended); e.Session.BytesWritten != 2 {
		t.Errorf("got %+v", e.Session)
	}
}
