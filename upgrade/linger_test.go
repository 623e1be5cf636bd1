package upgrade_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/wsverdict/wsverdict/upgrade"
)

// refusals are the two ways to an immediate close: a denial, and a session that says no.
func refusals(t *testing.T, up func() *upgrade.Upgrader) map[string]http.Handler {
	return map[string]http.Handler{
		"denial":  up().Use(always(expired))(forbidden(t)),
		"session": up().Handler(run(closeExpired)),
	}
}

func patient() *upgrade.Upgrader {
	return &upgrade.Upgrader{LingerTimeout: time.Hour, LingerBytes: 1 << 40}
}

var closing = masked(ws.NewCloseFrame(ws.NewCloseFrameBody(1000, "")))

func TestOneWriteNoFIN(t *testing.T) {
	for name, h := range refusals(t, patient) {
		t.Run(name, func(t *testing.T) {
			addr, taps := newTapped(t, h)
			c, _ := handshake(t, addr)
			c.wantClose(4401, expiredText)
			c.send(masked(ws.NewTextFrame([]byte("still here")))) // not the end
			c.bye()
			ops, writes, _ := receive(t, taps).log(t)
			if ops != "read write read close" {
				t.Errorf("the server did %q, want it to close behind the client's close frame, without a FIN of its own", ops)
			}
			if want := map[string]int{"denial": 1, "session": 2}[name]; len(writes) != want {
				t.Errorf("writes of %v bytes, want %d", writes, want)
			}
		})
	}
}

// With unread bytes in the kernel a close would be a reset, which overtakes the frame.
func TestUnreadBytes(t *testing.T) {
	queued := strings.Repeat(masked(ws.NewBinaryFrame(make([]byte, 1000))), 64)
	for name, h := range refusals(t, patient) {
		for way, connect := range ways(t, h) {
			t.Run(name+" over "+way, func(t *testing.T) {
				c := connect(t)
				c.send(request() + queued)
				wantStatus(t, c.response(), 101)
				c.wantClose(4401, expiredText)
				c.send(queued)
				c.bye()
			})
		}
	}
}

// A client that goes without a close frame ends the wait.
func TestClientHangsUp(t *testing.T) {
	for name, h := range refusals(t, patient) {
		addr, taps := newTapped(t, h)
		c, _ := handshake(t, addr)
		c.wantClose(4401, expiredText)
		c.Close()
		if ops, _, _ := receive(t, taps).log(t); strings.Contains(ops, "fin") {
			t.Errorf("%s: the server did %q", name, ops)
		}
	}
}

// The wait is bounded as a whole: a byte now and then does not prolong it.
func TestLingerTimeout(t *testing.T) {
	impatient := func() *upgrade.Upgrader { return &upgrade.Upgrader{LingerTimeout: 500 * time.Millisecond} }
	for name, h := range refusals(t, impatient) {
		for way, connect := range ways(t, h) {
			t.Run(name+" over "+way, func(t *testing.T) {
				t.Parallel()
				silent := connect(t)
				silent.send(request())
				wantStatus(t, silent.response(), 101)
				silent.wantClose(4401, expiredText)
				silent.wantEOF()

				busy := connect(t)
				busy.send(request())
				wantStatus(t, busy.response(), 101)
				busy.wantClose(4401, expiredText)
				stop, stopped := context.WithCancel(t.Context())
				pumped := make(chan struct{})
				go func() {
					defer close(pumped)
					for tick := time.Tick(10 * time.Millisecond); stop.Err() == nil; <-tick {
						busy.Write([]byte{0})
					}
				}()
				busy.wantEnd()
				stopped()
				receive(t, pumped)
			})
		}
	}
}

// What is discarded is bounded as well.
func TestLingerBytes(t *testing.T) {
	const limit = 10_000
	bounded := func() *upgrade.Upgrader { return &upgrade.Upgrader{LingerTimeout: time.Hour, LingerBytes: limit} }
	for name, h := range refusals(t, bounded) {
		t.Run(name, func(t *testing.T) {
			addr, taps := newTapped(t, h)
			c, _ := handshake(t, addr)
			c.wantClose(4401, expiredText)
			go io.Copy(c, zeros{}) // until the connection is gone
			ops, _, read := receive(t, taps).log(t)
			if !strings.Contains(ops, "fin") {
				t.Errorf("the server did %q, want a FIN at the limit", ops)
			}
			if most := limit + 256<<10 + len(request()); read < limit || read > most {
				t.Errorf("read %d bytes, want %d at least and %d at most", read, limit, most)
			}
		})
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// A close frame in the packet of the handshake is the client's answer too.
func TestEarlyCloseFrame(t *testing.T) {
	for name, h := range refusals(t, patient) {
		for way, connect := range ways(t, h) {
			t.Run(name+" over "+way, func(t *testing.T) {
				c := connect(t)
				c.send(request() + masked(ws.NewTextFrame([]byte("hello"))) + closing)
				wantStatus(t, c.response(), 101)
				c.wantClose(4401, expiredText)
				c.wantEOF()
			})
		}
	}
}

// The end is the client's close frame, not what looks like one.
func TestCloseFrameIsFound(t *testing.T) {
	lure := strings.Repeat(closing, 1000)
	frame := func(head []byte, payload string) string { return string(head) + payload }
	head64 := func(n uint64) []byte { return binary.BigEndian.AppendUint64([]byte{0x82, 127}, n) }
	head16 := func(n uint16) []byte { return binary.BigEndian.AppendUint16([]byte{0x82, 126}, n) }
	mask := string([]byte{1, 2, 3, 4})
	for name, before := range map[string]string{
		"nothing":                "",
		"a masked frame":         masked(ws.NewBinaryFrame([]byte(lure))),
		"an empty frame":         masked(ws.NewTextFrame(nil)),
		"7-bit length":           frame([]byte{0x81, 0x80 | 60}, mask+lure[:60]),
		"16-bit length":          frame(head16(8000), lure[:8000]),
		"64-bit length":          frame(head64(8000), lure[:8000]),
		"16-bit length, short":   frame(head16(8), lure[:8]),
		"64-bit length, empty":   frame(head64(0), ""),
		"a ping":                 masked(ws.NewPingFrame([]byte(closing))),
		"fragments":              masked(ws.NewFrame(ws.OpText, false, []byte(closing))) + masked(ws.NewFrame(ws.OpContinuation, true, []byte(closing))),
		"a mask like a header":   frame([]byte{0x82, 0x84}, "\x88\x80\x88\x80\x88\x80\x88\x80"),
		"a length like a header": frame(head16(0x8880), strings.Repeat("\x88\x00", 0x8880/2)),
	} {
		for _, cut := range []int{1 << 20, 7, 1} {
			if len(before)/cut > 10_000 {
				continue
			}
			up := patient()
			addr, taps := newTapped(t, up.Use(always(expired))(forbidden(t)))
			c, _ := handshake(t, addr)
			c.wantClose(4401, expiredText)
			sent := len(request()) + len(before) + len(closing)
			for part := range slices.Chunk([]byte(before+closing), cut) {
				c.send(string(part))
			}
			c.wantEOF()
			if _, _, read := receive(t, taps).log(t); read != sent {
				t.Errorf("%s, in pieces of %d: ended after %d bytes of %d", name, cut, read, sent)
			}
		}
	}
}

// A length that overflows what is counted with must not end the wait early, nor prolong it.
func TestAbsurdLengths(t *testing.T) {
	for _, n := range []uint64{1 << 31, 1 << 32, 1<<63 - 1, 1 << 63, 1<<64 - 1, 1<<64 - 14} {
		for _, second := range []byte{127, 0x80 | 127} {
			up := &upgrade.Upgrader{LingerTimeout: time.Hour, LingerBytes: 50_000}
			addr, taps := newTapped(t, up.Use(always(expired))(forbidden(t)))
			c, _ := handshake(t, addr)
			c.wantClose(4401, expiredText)
			head := binary.BigEndian.AppendUint64([]byte{0x82, second}, n)
			c.Write(append(head, strings.Repeat(closing, 10_000)...))
			c.wantEnd()
			c.Close()
			if ops, _, _ := receive(t, taps).log(t); !strings.HasSuffix(ops, "fin read close") && !strings.HasSuffix(ops, "fin close") {
				t.Errorf("length %d: the server did %q, want it to read on up to its limit", n, ops)
			}
		}
	}
}

// A client that pours and then pauses is waited for as one that never poured: a byte, a message, a pause.
func TestPauseWithinTheLinger(t *testing.T) {
	pour := masked(ws.NewBinaryFrame(make([]byte, 1000)))
	for name, h := range refusals(t, patient) {
		t.Run(name, func(t *testing.T) {
			addr, taps := newTapped(t, h)
			c, _ := handshake(t, addr)
			c.wantClose(4401, expiredText)
			for _, rest := range []string{pour, pour + pour[:1], pour[1:]} {
				c.send(rest)
				c.SetReadDeadline(time.Now().Add(150 * time.Millisecond))
				if _, err := c.in.ReadByte(); !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Fatalf("the server did not wait: %v", err)
				}
			}
			c.SetReadDeadline(time.Now().Add(patience))
			c.bye()
			if ops, _, _ := receive(t, taps).log(t); strings.Contains(ops, "fin") {
				t.Errorf("the server did %q", ops)
			}
		})
	}
}
