package upgrade_test

import (
	"context"
	"errors"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/wsverdict/wsverdict/upgrade"
)

// impatient finds a dead peer in less than half a second.
func impatient() *upgrade.Upgrader {
	return &upgrade.Upgrader{PingInterval: 200 * time.Millisecond, PingTimeout: 200 * time.Millisecond}
}

// polling reads a moment at a time, as a session does that has something else to look after.
func polling(ctx context.Context, c *upgrade.Conn) error {
	for {
		moment, cancel := context.WithTimeout(ctx, 30*time.Millisecond)
		_, _, err := c.Read(moment, nil)
		cancel()
		if err != nil && !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
			return err
		}
	}
}

// pollingRaw does so with raw frames.
func pollingRaw(_ context.Context, c *upgrade.Conn) error {
	for {
		c.NetConn().SetReadDeadline(time.Now().Add(30 * time.Millisecond))
		if _, err := readFrame(c.NetConn()); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
	}
}

// A client that answers no ping is given up on, however the session waits for it.
func TestSilentPeer(t *testing.T) {
	for name, s := range map[string]upgrade.Session{
		"reads":     listen,
		"CloseRead": func(ctx context.Context, c *upgrade.Conn) error { c.CloseRead(); <-ctx.Done(); return nil },
		"raw":       func(_ context.Context, c *upgrade.Conn) error { _, err := readFrame(c.NetConn()); return err },
		"polls":     polling,
		"polls raw": pollingRaw,
		"half a message": func(ctx context.Context, c *upgrade.Conn) error {
			_, r, err := c.Reader(ctx)
			if err == nil {
				_, err = r.Read(make([]byte, 10))
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			events := &ledger{}
			up := impatient()
			up.Observer = events
			cause := make(chan error, 1)
			c := admit(t, up, func(ctx context.Context, c *upgrade.Conn) error {
				defer func() { cause <- context.Cause(ctx) }()
				return s(ctx, c)
			})
			if name == "half a message" {
				c.send("\x81\x85")
			}
			if f := c.frame(); f.Header.OpCode != ws.OpPing {
				t.Fatalf("got %+v, want a ping", f.Header)
			}
			c.wantEnd()
			if err := receive(t, cause); err == nil || errors.Is(err, upgrade.ErrClosed) {
				t.Errorf("the context's cause is %v", err)
			}
			e := events.await(t, upgrade.Ended)
			if e.Session.ClosedBy != upgrade.ByNetwork || e.CloseCode != 1006 || e.Err == nil {
				t.Errorf("ended by %v with %d, %v", e.Session.ClosedBy, e.CloseCode, e.Err)
			}
			wantEmpty(t, up)
		})
	}
}

// Any sign of life keeps a connection.
func TestPeerThatAnswersLives(t *testing.T) {
	for name, answer := range map[string]func(payload []byte) string{
		"pong":    func(payload []byte) string { return masked(ws.NewPongFrame(payload)) },
		"message": func([]byte) string { return masked(ws.NewTextFrame([]byte("here"))) },
		"a byte":  nil,
	} {
		synctest.Test(t, func(t *testing.T) {
			c := connectInMemory(t, impatient().Handler(run(func(ctx context.Context, c *upgrade.Conn) error {
				for {
					if _, p, err := c.Read(ctx, nil); err != nil || string(p) == "bye" {
						return err
					}
				}
			})))
			bye := masked(ws.NewTextFrame([]byte("bye")))
			for i := range 4 {
				if f := c.frame(); f.Header.OpCode != ws.OpPing {
					t.Fatalf("%s: got %+v %q, want ping %d", name, f.Header, f.Payload, i)
				} else if answer != nil {
					c.send(answer(f.Payload))
				} else {
					c.send(bye[i : i+1])
				}
			}
			if answer == nil {
				c.send(bye[4:])
			} else {
				c.send(bye)
			}
			c.wantClose(1000, "")
			c.bye()
		})
	}
}

// Where nobody reads, silence means nothing; and with a negative interval never. Neither is pinged
// while others are given up on.
func TestSilenceThatMeansNothing(t *testing.T) {
	never := impatient()
	never.PingInterval = -1
	for name, tc := range map[string]struct {
		up      *upgrade.Upgrader
		session func(done <-chan struct{}) upgrade.Session
	}{
		"nobody reads": {impatient(), func(done <-chan struct{}) upgrade.Session {
			return func(context.Context, *upgrade.Conn) error { <-done; return nil }
		}},
		"negative interval": {never, func(done <-chan struct{}) upgrade.Session {
			return func(ctx context.Context, c *upgrade.Conn) error {
				reading, stop := context.WithCancel(ctx)
				go func() { <-done; stop() }()
				if err := listen(reading, c); !errors.Is(err, context.Canceled) {
					t.Errorf("the read ended with %v", err)
				}
				return nil
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			done := make(chan struct{})
			c := admit(t, tc.up, tc.session(done))
			for range 3 {
				admit(t, impatient(), listen).wantEnd()
			}
			close(done)
			c.wantClose(1000, "") // and no ping before it
			c.bye()
		})
	}
}

// A session that was busy for longer than the timeout finds the pong that came meanwhile.
func TestBusySessionFindsThePong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		busy, ready := make(chan struct{}), make(chan struct{})
		c := connectInMemory(t, impatient().Handler(run(func(ctx context.Context, c *upgrade.Conn) error {
			c.Read(ctx, nil)
			close(busy)
			receive(t, ready)
			return echoAll(ctx, c)
		})))
		f := c.frame()
		c.send(masked(ws.NewTextFrame(nil)) + masked(ws.NewPongFrame(f.Payload)))
		receive(t, busy)
		connectInMemory(t, impatient().Handler(run(listen))).wantEnd()
		close(ready)
		c.say("still here")
		c.leave(1000)
	})
}

// The deadline of a ping is not the session's: raw writes have none, or the session's own.
func TestPingLeavesRawWritesAlone(t *testing.T) {
	for name, prepare := range map[string]func(net.Conn){
		"none": func(net.Conn) {},
		"own":  func(conn net.Conn) { conn.SetWriteDeadline(time.Now().Add(patience)) },
	} {
		synctest.Test(t, func(t *testing.T) {
			up := impatient()
			up.PingTimeout = patience
			up.WriteTimeout = 50 * time.Millisecond
			c := connectInMemory(t, up.Handler(run(func(_ context.Context, c *upgrade.Conn) error {
				conn := c.NetConn()
				prepare(conn)
				if _, err := readFrame(conn); err != nil { // the pong
					return err
				}
				conn.SetReadDeadline(time.Now().Add(2 * up.WriteTimeout))
				if _, err := readFrame(conn); !errors.Is(err, os.ErrDeadlineExceeded) {
					return err
				}
				return wsutil.WriteServerText(conn, []byte("pinged"))
			})))
			c.send(masked(ws.NewPongFrame(c.frame().Payload)))
			f := c.frame()
			for ; f.Header.OpCode == ws.OpPing; f = c.frame() {
				c.send(masked(ws.NewPongFrame(f.Payload)))
			}
			if string(f.Payload) != "pinged" {
				t.Errorf("%s: got %+v %q", name, f.Header, f.Payload)
			}
		})
	}
}

// A long PingTimeout gives a client time to answer; the next ping does not wait for it.
func TestPingTimeoutLongerThanItsInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up := &upgrade.Upgrader{PingInterval: 100 * time.Millisecond, PingTimeout: time.Hour}
		c := connectInMemory(t, up.Handler(run(listen)))
		begin := time.Now()
		for range 3 {
			f := c.frame()
			if f.Header.OpCode != ws.OpPing {
				t.Fatalf("got %+v, want a ping", f.Header)
			}
			c.send(masked(ws.NewPongFrame(f.Payload)))
		}
		if after := time.Since(begin); after > time.Second {
			t.Errorf("the third ping came after %v", after)
		}
		c.leave(1000)
	})
}
