package upgrade_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"

	"github.com/wsverdict/wsverdict/upgrade"
)

// wantShutdown wants a shutdown to succeed at once, whatever else is there.
func wantShutdown(t *testing.T, up *upgrade.Upgrader) {
	t.Helper()
	if err := up.Shutdown(deadlineOf(in(t, patience), 0)); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	wantEmpty(t, up)
}

// blackHole passes bytes on between its clients and addr until it is told to stop. From then on it
// takes what comes and says nothing, neither bytes nor FIN nor RST: the cable is cut.
func blackHole(t *testing.T, addr string) (through string, cut func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	severed := make(chan struct{})
	pass := func(dst, src net.Conn) {
		buf := make([]byte, 4096)
		for {
			n, err := src.Read(buf)
			select {
			case <-severed:
				io.Copy(io.Discard, src)
				return
			default:
			}
			if _, failed := dst.Write(buf[:n]); err != nil || failed != nil {
				return
			}
		}
	}
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", addr)
			if err != nil {
				t.Error(err)
				return
			}
			t.Cleanup(func() { client.Close(); server.Close() })
			go pass(client, server)
			go pass(server, client)
		}
	}()
	return l.Addr().String(), func() { close(severed) }
}

// Bound: a client that is gone without a word is found within PingInterval + PingTimeout, and two
// turns of the wheel.
func TestHalfOpen(t *testing.T) {
	t.Parallel()
	events := &ledger{}
	up := &upgrade.Upgrader{PingInterval: time.Second, PingTimeout: 2 * time.Second, Observer: events}
	through, cut := blackHole(t, newServer(t, tagged(up)(up.Handler(run(echoAll)))))
	c := connect(t, through, at("user=alice"))
	c.Pongs = true // before the cable is cut
	c.say("hello")
	cut()
	if e := events.await(t, upgrade.Ended); e.Session.ClosedBy != upgrade.ByNetwork || e.CloseCode != 1006 {
		t.Errorf("got %+v", e)
	}
	wantEmpty(t, up)
	if n := up.End(banned, 0, user("alice")); n != 0 {
		t.Errorf("%d are still tagged", n)
	}
}

// Bound: and one that is ended just then is gone within LingerTimeout and the last moment.
func TestHalfOpenIsEnded(t *testing.T) {
	t.Parallel()
	up := &upgrade.Upgrader{LingerTimeout: 200 * time.Millisecond, PingInterval: -1}
	through, cut := blackHole(t, newServer(t, up.Handler(run(echoAll))))
	c := connect(t, through)
	c.say("hello")
	cut()
	wantShutdown(t, up)
}

// Bound: a client that reads nothing holds up a writer for WriteTimeout, and costs what the kernel
// takes.
func TestReaderThatNeverReads(t *testing.T) {
	t.Parallel()
	for name, write := range map[string]func(ctx context.Context, c *upgrade.Conn, p []byte) error{
		"messages": func(ctx context.Context, c *upgrade.Conn, p []byte) error { return c.Write(ctx, upgrade.Binary, p) },
		"stream": func(ctx context.Context, c *upgrade.Conn, p []byte) error {
			w, err := c.Writer(ctx, upgrade.Binary)
			if err != nil {
				return err
			}
			_, err = w.Write(p)
			return errors.Join(err, w.Close())
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			events := &ledger{}
			up := &upgrade.Upgrader{WriteTimeout: 300 * time.Millisecond, Observer: events}
			failed := make(chan error, 1)
			admit(t, up, func(ctx context.Context, c *upgrade.Conn) error {
				for p := make([]byte, 64<<10); ; {
					if err := write(ctx, c, p); err != nil {
						failed <- err
						return err
					}
				}
			})
			if err := receive(t, failed); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("the write failed with %v", err)
			}
			if e := events.await(t, upgrade.Ended); e.Session.ClosedBy != upgrade.ByNetwork {
				t.Errorf("got %+v", e)
			}
			wantEmpty(t, up)
		})
	}
}

// Bound: a writer that is stuck holds up neither End nor Shutdown for longer than LingerTimeout and
// the last moment, whatever its own timeout.
func TestShutdownWithStuckWriters(t *testing.T) {
	t.Parallel()
	up := &upgrade.Upgrader{WriteTimeout: time.Hour, LingerTimeout: 200 * time.Millisecond}
	sessions := []upgrade.Session{
		func(ctx context.Context, c *upgrade.Conn) error {
			for p := make([]byte, 64<<10); ; {
				if err := c.Write(ctx, upgrade.Binary, p); err != nil {
					return err
				}
			}
		},
		func(_ context.Context, c *upgrade.Conn) error {
			return ws.WriteFrame(c.NetConn(), ws.NewBinaryFrame(make([]byte, 64<<20)))
		},
	}
	for _, s := range sessions {
		addr, taps := newTapped(t, up.Handler(run(s)))
		connect(t, addr)
		tap, before, same := receive(t, taps), 0, 0
		eventually(t, "the kernel takes no more", func() bool { // as far as that can be told
			tap.mu.Lock()
			defer tap.mu.Unlock()
			if same++; before != len(tap.writes) {
				before, same = len(tap.writes), 0
			}
			return same > 6
		})
	}
	wantShutdown(t, up)
}

// Bound: a byte now and then is a sign of life, which holds its own connection and nothing else;
// ended, it is gone within LingerTimeout and the last moment, though it goes on.
func TestByteByByte(t *testing.T) {
	synctest.Test(t, testByteByByte)
}

func testByteByByte(t *testing.T) {
	up := impatient()
	up.LingerTimeout = 200 * time.Millisecond
	c := connectInMemory(t, up.Handler(run(listen)))
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		for _, b := range []byte("\x82\xfe\xff\xff" + strings.Repeat("x", 10_000)) {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
				if _, err := c.Write([]byte{b}); err != nil {
					return
				}
			}
		}
	}()
	for range 5 {
		connectInMemory(t, impatient().Handler(run(listen))).wantEnd() // several that are silent are given up on meanwhile
	}
	if n := up.Stats().Live; n != 1 {
		t.Fatalf("%d live", n)
	}
	wantShutdown(t, up)
}

// Bound: fragments without end are a message over the limit, empty ones too: MaxMessageBytes of them.
func TestFragmentsWithoutEnd(t *testing.T) {
	t.Parallel()
	const limit = 10_000
	for name, payload := range map[string][]byte{"empty": nil, "a byte": {'x'}, "a thousand": make([]byte, 1000)} {
		for reading, s := range map[string]upgrade.Session{"whole": listen, "stream": func(ctx context.Context, c *upgrade.Conn) error {
			_, r, err := c.Reader(ctx)
			if err == nil {
				_, err = io.Copy(io.Discard, r)
			}
			return err
		}} {
			t.Run(name+" "+reading, func(t *testing.T) {
				t.Parallel()
				events := &ledger{}
				up := &upgrade.Upgrader{MaxMessageBytes: limit, Observer: events}
				c := admit(t, up, s)
				c.send(masked(ws.NewFrame(ws.OpBinary, false, payload)))
				more := masked(ws.NewFrame(ws.OpContinuation, false, payload))
				go func() {
					for {
						if _, err := io.WriteString(c, strings.Repeat(more, 100)); err != nil {
							return
						}
					}
				}()
				c.wantClose(1009, "message_too_big;do=stop")
				c.Close()
				e := events.await(t, upgrade.Ended)
				if most := uint64(limit+2)*uint64(len(more)) + 32<<10; e.Session.BytesRead > most || e.Session.MessagesRead != 1 {
					t.Errorf("read %d bytes of %d messages, want %d bytes at most of 1", e.Session.BytesRead, e.Session.MessagesRead, most)
				}
				wantEmpty(t, up)
			})
		}
	}
}
