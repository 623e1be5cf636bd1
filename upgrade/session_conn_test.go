package upgrade_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

// A close from another goroutine waits for the end of a frame that is written in two calls.
func TestCloseNeverSplitsAFrame(t *testing.T) {
	c := admit(t, &upgrade.Upgrader{LingerTimeout: time.Hour}, func(_ context.Context, c *upgrade.Conn) error {
		conn := c.NetConn()
		ws.WriteHeader(conn, ws.Header{Fin: true, OpCode: ws.OpText, Length: 5})
		closed := make(chan error)
		go func() { closed <- c.Close(expired) }()
		if err := receive(t, closed); err != nil {
			t.Errorf("Close: %v", err)
		}
		for _, part := range []string{"he", "llo"} {
			if _, err := io.WriteString(conn, part); err != nil {
				t.Errorf("in the midst of the frame: %v", err)
			}
		}
		if err := wsutil.WriteServerText(conn, []byte("more")); !errors.Is(err, upgrade.ErrClosed) {
			t.Errorf("behind the close frame: %v", err)
		}
		if err := c.Close(expired); !errors.Is(err, upgrade.ErrClosed) {
			t.Errorf("the second Close: %v", err)
		}
		return nil
	})
	if f := c.frame(); f.Header.OpCode != ws.OpText || string(f.Payload) != "hello" {
		t.Errorf("got %+v %q", f.Header, f.Payload)
	}
	c.wantClose(4401, expiredText)
	c.bye()
}

// The same under pressure, with frames of all length forms.
func TestCloseUnderPressure(t *testing.T) {
	for range 20 {
		started := make(chan struct{})
		c := admit(t, &upgrade.Upgrader{LingerTimeout: time.Hour}, func(ctx context.Context, c *upgrade.Conn) error {
			var others sync.WaitGroup
			defer others.Wait()
			for range 3 {
				others.Go(func() { <-started; c.Close(expired) })
			}
			for i := 0; ; i++ {
				if i == 10 {
					close(started)
				}
				size := []int{0, 1, 125, 126, 70_000}[i%5]
				if err := ws.WriteFrame(c.NetConn(), ws.NewBinaryFrame(make([]byte, size))); err != nil {
					return nil
				}
			}
		})
		for {
			f := c.frame()
			if f.Header.OpCode == ws.OpClose {
				if code, reason := ws.ParseCloseFrameData(f.Payload); code != 4401 || reason != expiredText {
					t.Fatalf("closed with %d %q", code, reason)
				}
				break
			}
			if f.Header.OpCode != ws.OpBinary || !bytes.Equal(f.Payload, make([]byte, len(f.Payload))) {
				t.Fatalf("got %+v", f.Header)
			}
		}
		c.bye()
	}
}

// Close makes the session's reads end, and what the session returns changes nothing any more.
func TestCloseEndsReads(t *testing.T) {
	for _, answers := range []bool{true, false} {
		conns, result := make(chan *upgrade.Conn, 1), make(chan error, 1)
		up := &upgrade.Upgrader{LingerTimeout: 100 * time.Millisecond}
		if answers {
			up.LingerTimeout = time.Hour
		}
		c := admit(t, up, func(_ context.Context, c *upgrade.Conn) error {
			conns <- c
			_, err := readFrame(c.NetConn())
			result <- err
			return errSecret
		})
		if err := receive(t, conns).Close(expired); err != nil {
			t.Fatal(err)
		}
		c.wantClose(4401, expiredText)
		if answers {
			c.bye()
		} else {
			c.wantEOF()
		}
		if err := receive(t, result); (err == nil) != answers {
			t.Errorf("the read returned %v", err)
		}
	}
}

func TestCloseWithAnAllow(t *testing.T) {
	c := admit(t, &upgrade.Upgrader{}, func(_ context.Context, c *upgrade.Conn) error { return c.Close(policy.Allow()) })
	c.wantClose(1011, "internal_error;do=backoff") // of the panic
	c.bye()
}

func TestCloseAfterTheSession(t *testing.T) {
	conns := make(chan *upgrade.Conn, 1)
	c := admit(t, &upgrade.Upgrader{}, func(_ context.Context, c *upgrade.Conn) error { conns <- c; return nil })
	c.wantClose(1000, "")
	late := receive(t, conns)
	if err := late.Close(expired); !errors.Is(err, upgrade.ErrClosed) {
		t.Errorf("Close: %v", err)
	}
	if _, err := late.NetConn().Write([]byte{0x81, 0}); !errors.Is(err, upgrade.ErrClosed) {
		t.Errorf("Write: %v", err)
	}
	c.bye()
}

// Behind half a frame nothing can follow: the client must not take a close frame for its payload.
func TestUnfinishedFrame(t *testing.T) {
	c := admit(t, &upgrade.Upgrader{}, func(_ context.Context, c *upgrade.Conn) error {
		return ws.WriteHeader(c.NetConn(), ws.Header{Fin: true, OpCode: ws.OpText, Length: 5})
	})
	if got, _ := io.ReadAll(c.in); string(got) != "\x81\x05" {
		t.Errorf("got %x", got)
	}
}

// A session's own close frame is the last one.
func TestSessionClosesItself(t *testing.T) {
	c := admit(t, &upgrade.Upgrader{LingerTimeout: time.Hour}, func(_ context.Context, c *upgrade.Conn) error {
		ws.WriteFrame(c.NetConn(), ws.NewCloseFrame(ws.NewCloseFrameBody(4000, "own")))
		if err := c.Close(expired); !errors.Is(err, upgrade.ErrClosed) {
			t.Errorf("Close: %v", err)
		}
		return errSecret
	})
	c.wantClose(4000, "own")
	c.bye()
}

// A reader that the session leaves behind must not keep the client's close frame for itself.
func TestReaderLeftBehind(t *testing.T) {
	for range 20 {
		left := make(chan struct{})
		c := admit(t, &upgrade.Upgrader{LingerTimeout: time.Hour}, func(_ context.Context, c *upgrade.Conn) error {
			reading := make(chan struct{})
			go func() {
				defer close(left)
				for {
					f, err := readFrame(c.NetConn())
					if err != nil {
						return
					}
					if f.Header.OpCode == ws.OpText {
						close(reading)
					}
				}
			}()
			receive(t, reading)
			return expired
		})
		c.send(masked(ws.NewTextFrame([]byte("go"))))
		c.wantClose(4401, expiredText)
		c.bye()
		receive(t, left)
	}
}

// A stuckConn takes nothing more: a write waits until a deadline is set, as behind a client that
// does not read.
type stuckConn struct {
	net.Conn
	blocked, deadline chan struct{}
	once              sync.Once
}

func (c *stuckConn) Write([]byte) (int, error) {
	close(c.blocked)
	<-c.deadline
	return 0, os.ErrDeadlineExceeded
}

func (c *stuckConn) SetWriteDeadline(t time.Time) error {
	select {
	case <-c.blocked:
		c.once.Do(func() { close(c.deadline) })
	default: // for the write to come
	}
	return c.Conn.SetWriteDeadline(t)
}

// A writer that is held up must hold up neither the session's end nor a close from another goroutine.
func TestSlowClient(t *testing.T) {
	for _, name := range []string{"the session returns", "Close"} {
		t.Run(name, func(t *testing.T) {
			stuck := &stuckConn{blocked: make(chan struct{}), deadline: make(chan struct{})}
			left := make(chan error, 1)
			h := (&upgrade.Upgrader{}).Handler(run(func(_ context.Context, c *upgrade.Conn) error {
				go func() { left <- ws.WriteFrame(c.NetConn(), ws.NewTextFrame(nil)) }()
				receive(t, stuck.blocked)
				if name == "Close" {
					if err := c.Close(expired); err != nil {
						t.Errorf("Close: %v", err)
					}
				}
				return nil
			}))
			c, res := handshake(t, newServer(t, hijacker(func(w http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error) {
				conn, buf, err := w.(http.Hijacker).Hijack()
				stuck.Conn = conn
				return stuck, buf, err
			})(h)))
			wantStatus(t, res, 101)
			if err := receive(t, left); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("the write returned %v", err)
			}
			c.wantEOF()
		})
	}
}
