package upgrade_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/wsverdict/wsverdict/upgrade"
)

// Any number of writers: messages arrive whole and in the order of each writer, streamed ones as
// well, whatever the client asks in between; and a Close in the midst of it is the last frame.
func TestConcurrentWriters(t *testing.T) {
	const writers, streamers = 6, 3
	sizes := []int{1, 125, 126, 5000, 70_000}
	answered := make(chan struct{}) // the last ping
	c := admit(t, &upgrade.Upgrader{LingerTimeout: time.Hour}, func(ctx context.Context, c *upgrade.Conn) error {
		var all sync.WaitGroup
		defer all.Wait()
		fill := func(writer, i int) []byte {
			return append(fmt.Appendf(nil, "%d %d ", writer, i), bytes.Repeat([]byte{byte(writer)}, sizes[i%len(sizes)])...)
		}
		for writer := range writers {
			all.Go(func() {
				for i := 0; c.Write(ctx, upgrade.Binary, fill(writer, i)) == nil; i++ {
				}
			})
		}
		for writer := writers; writer < writers+streamers; writer++ {
			all.Go(func() {
				for i := 0; ; i++ {
					w, err := c.Writer(ctx, upgrade.Binary)
					if err != nil {
						return
					}
					p := fill(writer, i)
					for len(p) > 0 && err == nil {
						n := min(len(p), 1+len(p)/3)
						_, err = w.Write(p[:n])
						p = p[n:]
					}
					w.Close()
				}
			})
		}
		all.Go(func() { <-answered; c.Close(expired) })
		return listen(ctx, c)
	})
	go func() {
		for i := range 20 {
			c.deliver(pingFrame(fmt.Sprint(i)), 1)
		}
	}()
	var next [writers + streamers]int
	var message []byte
	for pongs := 0; ; {
		f := c.frame()
		switch f.Header.OpCode {
		case ws.OpClose:
			if got := word(ws.OpClose, f.Payload); got != "close 4401 "+expiredText || pongs == 0 {
				t.Fatalf("got %s, after %d pongs", got, pongs)
			}
			c.bye()
			return
		case ws.OpPong:
			if pongs++; string(f.Payload) == "19" {
				close(answered) // others may have been left out
			}
			continue
		}
		if f.Header.OpCode != ws.OpBinary && len(message) == 0 || f.Header.OpCode == ws.OpBinary && len(message) > 0 {
			t.Fatalf("got %+v behind %d bytes", f.Header, len(message))
		}
		if message = append(message, f.Payload...); !f.Header.Fin {
			continue
		}
		var writer, i int
		fmt.Sscan(string(message[:min(len(message), 20)]), &writer, &i)
		head := fmt.Sprintf("%d %d ", writer, i)
		if want := bytes.Repeat([]byte{byte(writer)}, sizes[i%len(sizes)]); i != next[writer] || !bytes.Equal(message[len(head):], want) {
			t.Fatalf("message %d of writer %d: got %.20q, %d bytes", next[writer], writer, message, len(message))
		}
		next[writer]++
		message = message[:0]
	}
}

// A gate is a connection whose writes wait until it opens, or for their deadline, as behind a
// client that does not read.
type gate struct {
	net.Conn
	waits, open chan struct{}
	late        chan struct{} // the deadline is over
	once        *sync.Once
}

func newGate() *gate {
	return &gate{waits: make(chan struct{}, 100), open: make(chan struct{}), late: make(chan struct{}), once: new(sync.Once)}
}

func (g *gate) Write(p []byte) (int, error) {
	g.waits <- struct{}{}
	select {
	case <-g.open:
		return g.Conn.Write(p)
	case <-g.late:
		return 0, context.DeadlineExceeded
	}
}

func (g *gate) SetWriteDeadline(t time.Time) error {
	if !t.IsZero() && t.Before(time.Now()) {
		g.once.Do(func() { close(g.late) })
	}
	return g.Conn.SetWriteDeadline(t)
}

// admitGated connects a client to a session that writes through a gate.
func admitGated(t *testing.T, up *upgrade.Upgrader, s upgrade.Session) (*client, *gate) {
	t.Helper()
	g := newGate()
	c, res := handshake(t, newServer(t, hijacker(func(w http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error) {
		conn, buf, err := w.(http.Hijacker).Hijack()
		g.Conn = conn
		return g, buf, err
	})(up.Handler(run(s)))))
	wantStatus(t, res, 101)
	return c, g
}

// However many pings come while nothing can be written, one answer is kept: the last.
func TestPingFloodIsBounded(t *testing.T) {
	read := make(chan error, 1)
	c, g := admitGated(t, &upgrade.Upgrader{}, func(ctx context.Context, c *upgrade.Conn) error {
		go func() {
			_, _, err := c.Read(ctx, nil)
			read <- err
			listen(ctx, c)
		}()
		return c.Write(ctx, upgrade.Text, []byte("held up"))
	})
	receive(t, g.waits)
	var flood bytes.Buffer
	for i := range 20_000 {
		flood.WriteString(pingFrame(fmt.Sprint(i)))
	}
	c.send(flood.String() + textFrame("behind them"))
	if err := receive(t, read); err != nil {
		t.Error(err)
	}
	close(g.open)
	for _, want := range []string{"text held up", "pong 19999", "close 1000 "} {
		if f := c.frame(); word(f.Header.OpCode, f.Payload) != want {
			t.Errorf("got %s, want %s", word(f.Header.OpCode, f.Payload), want)
		}
	}
	c.bye()
}

// A context derived from the session's ends when somebody closes the connection; a frame that is on
// its way must not be cut off by that, or the client would see no code.
func TestCloseWhileAWriteWaits(t *testing.T) {
	conns, result := make(chan *upgrade.Conn, 1), make(chan error, 1)
	c, g := admitGated(t, &upgrade.Upgrader{WriteTimeout: time.Hour, LingerTimeout: time.Hour}, func(own context.Context, c *upgrade.Conn) error {
		ctx, cancel := context.WithCancel(own)
		defer cancel()
		conns <- c
		result <- c.Write(ctx, upgrade.Text, []byte("held up"))
		return c.Write(ctx, upgrade.Text, []byte("late"))
	})
	receive(t, g.waits)
	conn := receive(t, conns)
	if err := conn.Close(expired); err != nil {
		t.Error(err)
	}
	select {
	case <-g.late:
		t.Error("the write was cut off")
	case <-time.After(20 * time.Millisecond): // a cut that comes later makes the frames below fail
	}
	close(g.open)
	if err := receive(t, result); err != nil {
		t.Error(err)
	}
	if f := c.frame(); string(f.Payload) != "held up" {
		t.Errorf("got %+v", f)
	}
	c.wantClose(4401, expiredText)
	c.bye()
}

// A lateEnd is a context that ends behind the first look at it.
type lateEnd struct {
	context.Context
	looked *atomic.Bool
}

func newLateEnd() lateEnd {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return lateEnd{ctx, new(atomic.Bool)}
}

func (c lateEnd) Err() error {
	if c.looked.Swap(true) {
		return c.Context.Err()
	}
	return nil
}

// A writer whose context ends while it waits for another has written nothing yet: it leaves, and
// nobody is cut off.
func TestWriteLeavesTheQueue(t *testing.T) {
	for _, behind := range []string{"a write", "a stream"} {
		t.Run("behind "+behind, func(t *testing.T) {
			begun, queued := make(chan struct{}), make(chan struct{})
			c, g := admitGated(t, &upgrade.Upgrader{WriteTimeout: time.Hour}, func(ctx context.Context, c *upgrade.Conn) error {
				first := func() { c.Write(ctx, upgrade.Text, []byte("first")) }
				if behind == "a stream" {
					w, err := c.Writer(ctx, upgrade.Text)
					if err != nil {
						return err
					}
					first = func() { io.WriteString(w, "first"); w.Close() }
				}
				var all sync.WaitGroup
				all.Go(first)
				<-begun
				left := make(chan error, 2)
				go func() { left <- c.Write(newLateEnd(), upgrade.Text, []byte("never")) }()
				go func() { _, err := c.Writer(newLateEnd(), upgrade.Text); left <- err }()
				close(queued)
				for range 2 {
					if err := receive(t, left); !errors.Is(err, context.Canceled) {
						t.Errorf("got %v", err)
					}
				}
				all.Wait()
				return nil
			})
			receive(t, g.waits)
			close(begun)
			<-queued
			close(g.open)
			var got []byte
			for fin := false; !fin; {
				f := c.frame()
				got, fin = append(got, f.Payload...), f.Header.Fin
			}
			if string(got) != "first" {
				t.Errorf("got %q", got)
			}
			c.wantClose(1000, "")
			c.bye()
		})
	}
}
