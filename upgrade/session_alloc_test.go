package upgrade_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/gobwas/ws"

	"github.com/wsverdict/wsverdict/upgrade"
)

// A feed is a connection whose client sends the same bytes again each time it is asked to.
type feed struct {
	nullConn
	messages chan []byte
	left     []byte
	written  chan int
}

func (f *feed) Read(p []byte) (int, error) {
	if len(f.left) == 0 {
		var ok bool
		if f.left, ok = <-f.messages; !ok {
			return 0, io.EOF
		}
	}
	n := copy(p, f.left)
	f.left = f.left[n:]
	return n, nil
}

func (f *feed) Write(p []byte) (int, error) {
	f.written <- len(p)
	return len(p), nil
}

// admitInMemory runs a session on a connection that allocates nothing itself.
func admitInMemory(up *upgrade.Upgrader, conn net.Conn, s upgrade.Session) {
	w := newMemoryWriter("")
	w.conn = conn
	up.Handler(run(s)).ServeHTTP(w, memoryRequest())
}

// Echo, with the message read into the session's own buffer, allocates nothing.
func TestEchoAllocations(t *testing.T) {
	for _, n := range []int{0, 128, 16 << 10} {
		for _, fragmented := range []bool{false, true} {
			f := &feed{messages: make(chan []byte, 1), written: make(chan int, 10)}
			t.Cleanup(func() { close(f.messages) })
			admitInMemory(&upgrade.Upgrader{}, f, echoAll)
			<-f.written // the 101
			p := repeated("é", n/2)
			message := []byte(textFrame(p))
			if fragmented {
				message = []byte(fragments(ws.OpText, p[:n/2], "", p[n/2:]))
			}
			echoed := 0
			if got := allocations(t, func() {
				f.messages <- message
				for echoed = 0; echoed < n || echoed == 0; {
					echoed += <-f.written
				}
			}); got != 0 {
				t.Errorf("%d bytes, fragmented: %t: %v allocations a message, want 0", n, fragmented, got)
			}
		}
	}
}

// The same over a real socket, client included.
func TestEchoAllocationsOverASocket(t *testing.T) {
	for _, n := range []int{128, 16 << 10} {
		c := admit(t, &upgrade.Upgrader{}, echoAll)
		message := []byte(binaryFrame(repeated("x", n)))
		answer := make([]byte, n+ws.HeaderSize(ws.Header{Length: int64(n)}))
		if got := allocations(t, func() {
			c.Write(message)
			if _, err := io.ReadFull(c.in, answer); err != nil {
				t.Error(err)
			}
		}); got != 0 {
			t.Errorf("%d bytes: %v allocations a message, want 0", n, got)
		}
	}
}

func BenchmarkEcho(b *testing.B) {
	for _, n := range []int{128, 16 << 10} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			f := &feed{messages: make(chan []byte, 1), written: make(chan int, 10)}
			done := make(chan struct{})
			admitInMemory(&upgrade.Upgrader{}, f, func(ctx context.Context, c *upgrade.Conn) error {
				defer close(done)
				return echoAll(ctx, c)
			})
			<-f.written
			message := []byte(textFrame(repeated("x", n)))
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				f.messages <- message
				for echoed := 0; echoed < n; {
					echoed += <-f.written
				}
			}
			close(f.messages)
			<-done
		})
	}
}

// A broadcast allocates the list of who it is for, and nothing for each of them.
func TestBroadcastAllocations(t *testing.T) {
	const crowd = 50
	up := &upgrade.Upgrader{}
	written := make(chan int, crowd)
	for range crowd {
		f := &feed{messages: make(chan []byte), written: written}
		t.Cleanup(func() { close(f.messages) })
		admitInMemory(up, f, listen)
		<-written // the 101
	}
	p := prepare(t, upgrade.Text, repeated("x", 1<<10))
	if got := allocations(t, func() {
		if n := up.BroadcastAll(p); n != crowd {
			t.Fatalf("sent to %d, want %d", n, crowd)
		}
		for range crowd {
			<-written
		}
	}); got > 1 {
		t.Errorf("%v allocations a broadcast to %d, want 1", got, crowd)
	}
}
