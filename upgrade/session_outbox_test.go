package upgrade_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

func prepare(t testing.TB, typ upgrade.MessageType, text string) *upgrade.Prepared {
	t.Helper()
	p, err := upgrade.Prepare(typ, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPrepare(t *testing.T) {
	if _, err := upgrade.Prepare(upgrade.Text, []byte("\xff")); err == nil {
		t.Error("text that is not UTF-8 was taken")
	}
	if _, err := upgrade.Prepare(0, nil); err == nil {
		t.Error("a message of no type was taken")
	}
	up := &upgrade.Upgrader{}
	c := admit(t, up, listen)
	for _, n := range []int{0, 1, 125, 126, 1 << 16, 1 << 17} {
		data := []byte(repeated("x", n))
		p, err := upgrade.Prepare(upgrade.Binary, data)
		if err != nil {
			t.Fatal(err)
		}
		clear(data) // it is a copy
		if up.BroadcastAll(p) != 1 {
			t.Fatalf("%d bytes were not taken", n)
		}
		if f := c.frame(); f.Header.OpCode != ws.OpBinary || !f.Header.Fin || string(f.Payload) != repeated("x", n) {
			t.Errorf("%d bytes arrived as %+v", n, f.Header)
		}
	}
	if _, err := up.PrepareJSON(func() {}); err == nil {
		t.Error("a function was encoded")
	}
	c.leave(1000)
	wantEmpty(t, up)
}

// A broadcast reaches those with all of the tags.
func TestBroadcast(t *testing.T) {
	up := &upgrade.Upgrader{}
	addr := newServer(t, tagged(up)(up.Handler(run(listen))))
	alice, bob, elsewhere := connect(t, addr, at("user=alice&room=1")), connect(t, addr, at("user=bob&room=1")), connect(t, addr, at("user=alice&room=2"))
	room := policy.Tag{Key: "room", Value: "1"}
	for _, tc := range []struct {
		text string
		tags []policy.Tag
		to   []*client
	}{
		{"to a room", []policy.Tag{room}, []*client{alice, bob}},
		{"to one in it", []policy.Tag{room, user("alice")}, []*client{alice}},
		{"to nobody", []policy.Tag{user("carol")}, nil},
		{"to all", nil, []*client{alice, bob, elsewhere}},
	} {
		p, n := prepare(t, upgrade.Text, tc.text), 0
		if len(tc.tags) == 0 {
			n = up.BroadcastAll(p)
		} else {
			n = up.Broadcast(p, tc.tags[0], tc.tags[1:]...)
		}
		if n != len(tc.to) {
			t.Errorf("%s: sent to %d, want %d", tc.text, n, len(tc.to))
		}
		for _, c := range tc.to {
			if f := c.frame(); string(f.Payload) != tc.text {
				t.Errorf("%s: got %q", tc.text, f.Payload)
			}
		}
	}
	for _, c := range []*client{alice, bob, elsewhere} {
		c.leave(1000)
	}
	wantEmpty(t, up)
}

// Who is told that it is connected misses nothing from then on.
func TestBroadcastDuringAdmission(t *testing.T) {
	p := prepare(t, upgrade.Text, "welcome")
	up := &upgrade.Upgrader{}
	sent := 0
	up.Observer = upgrade.ObserverFunc(func(e upgrade.Event) {
		if e.Outcome == upgrade.Admitted { // it has its 101, and is not started yet
			sent = up.Broadcast(p, user("alice"))
			for range up.AllConnections() {
				t.Error("a connection without its socket was found")
			}
		}
	})
	c := connect(t, newServer(t, tagged(up)(up.Handler(run(listen)))), at("user=alice"))
	if f := c.frame(); string(f.Payload) != "welcome" || sent != 1 {
		t.Errorf("got %q, sent to %d", f.Payload, sent)
	}
	c.leave(1000)
	wantEmpty(t, up)
}

// A connection that is never started drops what it was sent.
func TestBroadcastToALostAdmission(t *testing.T) {
	up := &upgrade.Upgrader{}
	p := prepare(t, upgrade.Text, "nobody")
	h := hijacker(func(w http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error) {
		up.BroadcastAll(p)
		return nil, nil, errors.New("no hijack today")
	})(up.Handler(run(listen)))
	_, res := handshake(t, newServer(t, h))
	wantStatus(t, res, 500)
	wantEmpty(t, up)
}

// A client that does not read is closed with the verdict; the sender never waits, and the others get all.
func TestSlowConsumer(t *testing.T) {
	for _, tc := range []struct {
		name    string
		verdict policy.Verdict
		code    uint16
		reason  string
	}{
		{"default", policy.Verdict{}, 4408, "slow_consumer;do=reconnect"},
		{"own", policy.Close(4100, "too_slow").WithAction(codes.Stop), 4100, "too_slow;do=stop"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			events := &ledger{}
			up := &upgrade.Upgrader{OutboxBytes: 1 << 20, SlowConsumer: tc.verdict, Observer: events, WriteTimeout: time.Minute, LingerTimeout: time.Hour}
			addr := newServer(t, up.Handler(run(listen)))
			slow := connect(t, addr)
			events.await(t, upgrade.Started) // a client has its 101 before its connection is found
			p := prepare(t, upgrade.Binary, repeated("x", 256<<10))
			var overflow error
			n := 0
			for c := range up.AllConnections() {
				for ; overflow == nil; n++ { // it would wait for ever, if it waited
					overflow = c.Send(p)
				}
				var v policy.Verdict
				if !errors.As(overflow, &v) || uint16(v.Code()) != tc.code || !errors.Is(overflow, upgrade.ErrClosed) {
					t.Errorf("got %v", overflow)
				}
				if err := c.Send(p); !errors.As(err, &v) || uint16(v.Code()) != tc.code {
					t.Errorf("and again %v", err)
				}
			}
			fast := connect(t, addr)
			if up.BroadcastAll(prepare(t, upgrade.Text, "on")) != 1 {
				t.Error("the closed one was sent to")
			}
			if f := fast.frame(); string(f.Payload) != "on" {
				t.Errorf("got %q", f.Payload)
			}
			for range n { // it reads at last: whole messages, and then why
				f := slow.frame()
				if f.Header.OpCode == ws.OpBinary && len(f.Payload) == 256<<10 {
					continue
				}
				if code, reason := ws.ParseCloseFrameData(f.Payload); uint16(code) != tc.code || reason != tc.reason {
					t.Fatalf("got %+v %d %q", f.Header, code, reason)
				}
				break
			}
			slow.bye()
			if e := events.await(t, upgrade.Ended); e.CloseCode != tc.code || e.Session.ClosedBy != upgrade.ByServer {
				t.Errorf("ended with %d by %v", e.CloseCode, e.Session.ClosedBy)
			}
			fast.leave(1000)
			wantEmpty(t, up)
		})
	}
}

func TestOutboxMistakes(t *testing.T) {
	up := &upgrade.Upgrader{OutboxBytes: -1, SlowConsumer: policy.Allow()}
	text := panicOf(t, func() { up.Handler(run(echoAll)) })
	if !strings.Contains(text, "OutboxBytes") || !strings.Contains(text, "SlowConsumer") {
		t.Errorf("panic %q", text)
	}
}

// One message over the bound is no reason to close, where nothing else waits.
func TestALargeMessageFits(t *testing.T) {
	up := &upgrade.Upgrader{OutboxBytes: 1}
	c := admit(t, up, listen)
	if up.BroadcastAll(prepare(t, upgrade.Text, "longer")) != 1 {
		t.Error("it was not taken")
	}
	c.frame()
	c.leave(1000)
}

// What a session sent is written before its result closes the connection.
func TestSentBeforeTheEnd(t *testing.T) {
	for name, result := range map[string]error{"nil": nil, "verdict": expired, "error": errors.New("broken")} {
		t.Run(name, func(t *testing.T) {
			c := admit(t, &upgrade.Upgrader{}, func(ctx context.Context, c *upgrade.Conn) error {
				for i := range 100 {
					if err := c.Send(prepare(t, upgrade.Text, fmt.Sprint(i))); err != nil {
						t.Error(err)
					}
				}
				return result
			})
			for i := range 100 {
				if f := c.frame(); string(f.Payload) != fmt.Sprint(i) {
					t.Fatalf("got %q, want %d", f.Payload, i)
				}
			}
			c.closed()
			c.bye()
		})
	}
}

// A message that the session left open is not waited for.
func TestSentBehindAnOpenMessage(t *testing.T) {
	up := &upgrade.Upgrader{}
	c := admit(t, up, func(ctx context.Context, c *upgrade.Conn) error {
		w, err := c.Writer(ctx, upgrade.Text)
		if err == nil {
			_, err = w.Write([]byte("begun"))
		}
		c.Send(prepare(t, upgrade.Text, "never"))
		return err
	})
	c.frame()
	c.wantClose(1000, "")
	c.bye()
	wantEmpty(t, up)
}

// Sent messages do not go into a streamed one, nor into raw frames.
func TestSentBetweenMessages(t *testing.T) {
	up := &upgrade.Upgrader{}
	sent := make(chan struct{})
	c := admit(t, up, func(ctx context.Context, c *upgrade.Conn) error {
		w, err := c.Writer(ctx, upgrade.Text)
		if err != nil {
			return err
		}
		w.Write([]byte("a"))
		c.Send(prepare(t, upgrade.Text, "between"))
		w.Write([]byte("b"))
		w.Close()
		close(sent)
		return listen(ctx, c)
	})
	<-sent
	var got []string
	for range 4 {
		f := c.frame()
		got = append(got, fmt.Sprint(f.Header.OpCode, f.Header.Fin, string(f.Payload)))
	}
	if want := []string{"1 falsea", "0 falseb", "0 true", "1 truebetween"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	c.leave(1000)
}

// Many send to many, while connections come, go and are ended: nothing is lost for those that stay, and all in order.
func TestBroadcastStorm(t *testing.T) {
	const listeners, messages = 10, 300
	up := &upgrade.Upgrader{OutboxBytes: 1 << 20}
	addr := newServer(t, tagged(up)(up.Handler(run(listen))))
	var group sync.WaitGroup
	for range listeners {
		c := connect(t, addr, at("room=1"))
		group.Go(func() {
			next := map[string]int{}
			for range 2 * messages {
				f := c.frame()
				from, n, _ := strings.Cut(string(f.Payload), " ")
				if n != fmt.Sprint(next[from]) {
					t.Errorf("%s sent %s, want %d", from, n, next[from])
					return
				}
				next[from]++
			}
			c.leave(1000)
		})
	}
	done := make(chan struct{})
	var others sync.WaitGroup
	others.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			default:
			}
			c := connect(t, addr, at("room=1&user=guest"))
			if i%2 == 0 {
				up.End(banned, 0, user("guest"))
			}
			c.vanish()
		}
	})
	for _, from := range []string{"a", "b"} {
		group.Go(func() {
			for i := range messages {
				up.Broadcast(prepare(t, upgrade.Text, fmt.Sprint(from, " ", i)), policy.Tag{Key: "room", Value: "1"})
			}
		})
	}
	group.Wait()
	close(done)
	others.Wait()
	wantEmpty(t, up)
}

// Sending costs nothing that is not used again.
func TestSendAllocations(t *testing.T) {
	f := &feed{messages: make(chan []byte), written: make(chan int, 10)}
	t.Cleanup(func() { close(f.messages) })
	up := &upgrade.Upgrader{}
	admitInMemory(up, f, listen)
	<-f.written // the 101
	p := prepare(t, upgrade.Text, "message")
	var c *upgrade.Conn
	eventually(t, "the connection is there", func() bool {
		for c = range up.AllConnections() {
		}
		return c != nil
	})
	if n := allocations(t, func() { c.Send(p); <-f.written }); n != 0 {
		t.Errorf("%v allocations a message, want 0", n)
	}
}
