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

// A meter is a connection that says at every read how much was read of it before.
type meter struct {
	net.Conn
	got   int
	reads chan int
}

func (m *meter) Read(p []byte) (int, error) {
	m.reads <- m.got
	n, err := m.Conn.Read(p)
	m.got += n
	return n, err
}

// A context that ends between two messages takes nothing of the next, wherever in it the bytes
// stop: in a header, or in a control frame before it.
func TestReadInterruptedBetweenMessages(t *testing.T) {
	stream := pingFrame("before it") + binaryFrame(repeated("x", 300))
	header := len(pingFrame("before it")) + 8 // the message has begun behind these
	m := &meter{reads: make(chan int, 1000)}
	contexts, results := make(chan context.Context), make(chan error)
	c, res := handshake(t, newServer(t, hijacker(func(w http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error) {
		conn, buf, err := w.(http.Hijacker).Hijack()
		m.Conn = conn
		return m, buf, err
	})((&upgrade.Upgrader{}).Handler(run(func(ctx context.Context, c *upgrade.Conn) error {
		buf := make([]byte, 8<<10)
		for ctx := range contexts {
			_, p, err := c.Read(ctx, buf)
			if err == nil && string(p) != repeated("x", 300) {
				t.Errorf("got %q", p)
			}
			clobber(buf)
			results <- err
		}
		return nil
	})))))
	wantStatus(t, res, 101)
	for i := range header - 1 {
		ctx, cancel := context.WithCancel(context.Background())
		contexts <- ctx
		c.send(stream[i : i+1])
		for receive(t, m.reads) != i+1 { // it has that byte, and waits for more
		}
		cancel()
		if err := receive(t, results); !errors.Is(err, context.Canceled) {
			t.Fatalf("at byte %d: %v", i, err)
		}
		contexts <- ctx
		if err := receive(t, results); !errors.Is(err, context.Canceled) {
			t.Fatalf("at byte %d, one that has ended before: %v", i, err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	contexts <- ctx
	c.send(stream[header-1:])
	if err := receive(t, results); err != nil {
		t.Error(err)
	}
	close(contexts)
	c.wantWords("pong before it", "close 1000 ")
	c.bye()
}

// clobber is what a session may do with its buffer between two reads.
func clobber(buf []byte) {
	for i := range buf[:cap(buf)] {
		buf[:cap(buf)][i] = 0xff
	}
}

// Over TLS a read can end in the midst of a record as well.
func TestReadInterruptedOverTLS(t *testing.T) {
	interrupted := make(chan struct{})
	connect := ways(t, (&upgrade.Upgrader{}).Handler(run(func(own context.Context, c *upgrade.Conn) error {
		for range 3 {
			ctx, cancel := context.WithTimeout(own, time.Millisecond)
			defer cancel()
			if _, _, err := c.Read(ctx, nil); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
		}
		close(interrupted)
		return echo1(own, c)
	})))["TLS"]
	c := connect(t)
	c.send(request())
	wantStatus(t, c.response(), 101)
	<-interrupted
	c.send(textFrame("after it"))
	c.wantWords("text after it", "close 1000 ")
	c.bye()
}

// echo1 answers one message.
func echo1(ctx context.Context, c *upgrade.Conn) error {
	typ, p, err := c.Read(ctx, nil)
	if err != nil {
		return err
	}
	return c.Write(ctx, typ, p)
}

// Within a message it cannot go on: a part of it is gone.
func TestReadInterruptedInAMessage(t *testing.T) {
	for name, read := range map[string]func(context.Context, *upgrade.Conn) error{
		"whole": func(ctx context.Context, c *upgrade.Conn) error {
			_, _, err := c.Read(ctx, nil)
			return err
		},
		"stream": func(ctx context.Context, c *upgrade.Conn) error {
			_, r, err := c.Reader(ctx)
			for err == nil {
				_, err = r.Read(make([]byte, 10))
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			results, cancels := make(chan error, 2), make(chan context.CancelFunc, 1)
			c := admit(t, &upgrade.Upgrader{}, func(own context.Context, c *upgrade.Conn) error {
				ctx, cancel := context.WithCancel(own)
				cancels <- cancel
				err := read(ctx, c)
				results <- err
				_, _, again := c.Read(own, nil)
				results <- again
				return err
			})
			c.send(part(ws.OpText, false, "begun") + pingFrame("") + part(ws.OpContinuation, true, "more")[:8])
			if f := c.frame(); f.Header.OpCode != ws.OpPong {
				t.Errorf("got %+v", f.Header)
			}
			receive(t, cancels)() // the message has begun
			c.wantClose(1011, "read_interrupted;do=reconnect")
			for range 2 {
				if err := receive(t, results); !errors.Is(err, context.Canceled) {
					t.Errorf("got %v", err)
				}
			}
			c.send(part(ws.OpContinuation, true, "more")[8:])
			c.bye()
		})
	}
}

// A context of the session's own, or derived from it, ends with the connection, and reads say why.
func TestReadEndsWithTheConnection(t *testing.T) {
	type key struct{}
	for name, derive := range map[string]func(context.Context) context.Context{
		"its own":    func(ctx context.Context) context.Context { return ctx },
		"derived":    func(ctx context.Context) context.Context { return context.WithValue(ctx, key{}, 1) },
		"background": func(context.Context) context.Context { return context.Background() },
	} {
		t.Run(name, func(t *testing.T) {
			conns, result := make(chan *upgrade.Conn, 1), make(chan error, 1)
			c := admit(t, &upgrade.Upgrader{LingerTimeout: time.Hour}, func(ctx context.Context, c *upgrade.Conn) error {
				conns <- c
				_, _, err := c.Read(derive(ctx), nil)
				result <- err
				if cause := context.Cause(ctx); !errors.Is(cause, upgrade.ErrClosed) || !errors.Is(cause, expired) {
					t.Errorf("the cause is %v", cause)
				}
				return err
			})
			if err := receive(t, conns).Close(expired); err != nil {
				t.Fatal(err)
			}
			c.wantClose(4401, expiredText)
			c.bye()
			if err := receive(t, result); !errors.Is(err, upgrade.ErrClosed) || !errors.Is(err, expired) {
				t.Errorf("Read: %v", err)
			}
		})
	}
}
