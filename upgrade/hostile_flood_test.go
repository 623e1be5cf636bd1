package upgrade_test

import (
	"context"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/wsverdict/wsverdict/upgrade"
)

// heap is what is in use once the collector has been through, twice: pools give theirs up at the
// second.
func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse
}

// Bound: whoever pings in a flood and reads no pong is cut off after WriteTimeout, and costs one pong.
func TestPingFlood(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]upgrade.Session{
		"reads":     listen,
		"CloseRead": func(ctx context.Context, c *upgrade.Conn) error { c.CloseRead(); <-ctx.Done(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			events := &ledger{}
			up := &upgrade.Upgrader{WriteTimeout: 300 * time.Millisecond, LingerTimeout: 200 * time.Millisecond, Observer: events}
			c := admit(t, up, s)
			flood := strings.Repeat(masked(ws.NewPingFrame(make([]byte, 125))), 1000)
			for {
				if _, err := io.WriteString(c, flood); err != nil {
					if !isGone(err) {
						t.Errorf("the flood ended with %v", err)
					}
					break
				}
			}
			if e := events.await(t, upgrade.Ended); e.Session.ClosedBy != upgrade.ByNetwork || e.Session.MessagesRead != 0 {
				t.Errorf("got %+v", e)
			}
			wantEmpty(t, up)
		})
	}
}

// Who reads the pongs may ping as much as it likes: every answer is whole, and the last ping is
// answered.
func TestPingFloodThatReads(t *testing.T) {
	t.Parallel()
	c := admit(t, &upgrade.Upgrader{}, echoAll)
	go func() {
		io.WriteString(c, strings.Repeat(masked(ws.NewPingFrame(make([]byte, 125))), 10_000)+masked(ws.NewPingFrame([]byte("last"))))
	}()
	for {
		f := c.frame()
		if f.Header.OpCode != ws.OpPong {
			t.Fatalf("got %+v", f.Header)
		}
		if string(f.Payload) == "last" {
			break
		}
	}
	c.leave(1000)
}

// Bound: half a close frame is no close frame, and is waited for as long as the connection lives.
// Meanwhile it is used.
func TestCloseFrameInTwo(t *testing.T) {
	whole := masked(ws.NewCloseFrame(ws.NewCloseFrameBody(4321, "slowly")))
	for cut := 1; cut < len(whole); cut++ {
		results, conns := make(chan result, 1), make(chan *upgrade.Conn, 1)
		up := &upgrade.Upgrader{LingerTimeout: time.Hour}
		addr, taps := newTapped(t, up.Handler(run(func(ctx context.Context, c *upgrade.Conn) error {
			conns <- c
			return listener(results)(ctx, c)
		})))
		c := connect(t, addr)
		conn, tap := receive(t, conns), receive(t, taps)
		c.send(whole[:cut])
		eventually(t, "the first half is read", func() bool {
			tap.mu.Lock()
			defer tap.mu.Unlock()
			return tap.read == len(request())+cut
		})
		if err := conn.Write(t.Context(), upgrade.Text, []byte("meanwhile")); err != nil {
			t.Errorf("cut at %d: %v", cut, err)
		}
		if f := c.frame(); string(f.Payload) != "meanwhile" {
			t.Errorf("cut at %d: got %q", cut, f.Payload)
		}
		c.send(whole[cut:])
		c.wantClose(4321, "")
		c.wantEOF()
		var e *upgrade.CloseError
		if r := receive(t, results); !errors.As(r.cause, &e) || e.Code != 4321 || e.Reason != "slowly" {
			t.Errorf("cut at %d: the cause is %v", cut, r.cause)
		}
		wantEmpty(t, up)
	}
}

// The same as the answer to ours: the halves may be read by different goroutines, of the session
// and of the linger.
func TestAnswerInTwo(t *testing.T) {
	for name, s := range map[string]upgrade.Session{"the session returned": closeExpired, "the session reads": func(ctx context.Context, c *upgrade.Conn) error {
		c.Close(expired)
		return listen(ctx, c)
	}} {
		for cut := 1; cut < len(closing); cut++ {
			up := &upgrade.Upgrader{LingerTimeout: time.Hour}
			addr, taps := newTapped(t, up.Handler(run(s)))
			c := connect(t, addr)
			c.wantClose(4401, expiredText)
			tap := receive(t, taps)
			c.send(closing[:cut])
			eventually(t, name+": the first half is read", func() bool {
				tap.mu.Lock()
				defer tap.mu.Unlock()
				return tap.read == len(request())+cut
			})
			if n := up.Stats().Live; n != 1 {
				t.Errorf("%s, cut at %d: %d live", name, cut, n)
			}
			c.send(closing[cut:])
			c.wantEOF()
			wantEmpty(t, up)
		}
	}
}

// Bound: behind a close frame nothing is heard any more (RFC 6455 §5.5.1), however much there is of it.
func TestDataAfterClose(t *testing.T) {
	t.Parallel()
	events := &ledger{}
	up := &upgrade.Upgrader{LingerTimeout: 200 * time.Millisecond, Observer: events}
	heard := make(chan string, 10)
	c := admit(t, up, func(ctx context.Context, c *upgrade.Conn) error {
		for {
			_, p, err := c.Read(ctx, nil)
			if err != nil {
				return err
			}
			heard <- string(p)
		}
	})
	c.send(masked(ws.NewTextFrame([]byte("before"))) + masked(ws.NewCloseFrame(ws.NewCloseFrameBody(4321, ""))) +
		masked(ws.NewTextFrame([]byte("behind"))) + masked(ws.NewCloseFrame(ws.NewCloseFrameBody(1000, ""))))
	for {
		if _, err := io.WriteString(c, strings.Repeat(masked(ws.NewTextFrame(make([]byte, 1000))), 100)); err != nil {
			break
		}
	}
	e := events.await(t, upgrade.Ended)
	if e.CloseCode != 4321 || e.Session.ClosedBy != upgrade.ByClient || e.Session.MessagesRead != 1 {
		t.Errorf("got %+v", e)
	}
	wantEmpty(t, up)
	close(heard)
	for text := range heard {
		if text != "before" {
			t.Errorf("the session heard %q", text)
		}
	}
}
