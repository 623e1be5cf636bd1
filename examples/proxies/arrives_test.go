package proxies

import (
	"bytes"
	"testing"

	"github.com/gobwas/ws"

	"github.com/wsverdict/wsverdict/upgrade"
)

// TestRefusal: the code arrives with 64 KB on their way to a server that reads none of them.
func TestRefusal(t *testing.T) {
	through(t, func(t *testing.T, p *proxy) {
		s := newServer(t, &upgrade.Upgrader{})
		site := p.run(t, s)
		const times = 20
		for range times {
			c := mustDial(t, site, "/ws/refused", "")
			c.send(ws.OpBinary, make([]byte, 64<<10))
			c.closes(wantCode, wantReason)
		}
		for _, e := range s.at(t, "/ws/refused", times) {
			if e.Outcome != upgrade.Closed || e.host != site {
				t.Fatalf("observed %v (%v) with Host %q, want closed and Host %q", e.Outcome, e.Why, e.host, site)
			}
		}
	})
}

// TestSession: messages go both ways, and the session's verdict arrives.
func TestSession(t *testing.T) {
	through(t, func(t *testing.T, p *proxy) {
		s := newServer(t, &upgrade.Upgrader{})
		c := mustDial(t, p.run(t, s), "/ws/echo", "")
		for _, size := range []int{0, 5, 64 << 10, 1 << 20} {
			want := bytes.Repeat([]byte("x"), size)
			sent := make(chan error, 1)
			go func() { sent <- c.write(ws.OpText, want) }()
			if got := c.next(); got.Header.OpCode != ws.OpText || !bytes.Equal(got.Payload, want) {
				t.Fatalf("opcode %#x, %d bytes; want the %d bytes that were sent", got.Header.OpCode, len(got.Payload), size)
			}
			if err := <-sent; err != nil {
				t.Fatal(err)
			}
		}
		c.send(ws.OpText, []byte("leave"))
		c.closes(wantCode, wantReason)
	})
}
