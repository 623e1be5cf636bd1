package upgrade_test

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/wsverdict/wsverdict/upgrade"
)

// TestMalformedCloseEndsPromptly: who sends such a frame sends nothing more, so there is nothing to
// wait for.
func TestMalformedCloseEndsPromptly(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]ws.Frame{
		"126 bytes": ws.MaskFrame(ws.NewFrame(ws.OpClose, true, make([]byte, 126))),
		"FIN 0":     ws.MaskFrame(ws.NewFrame(ws.OpClose, false, []byte{3, 232})),
		"RSV":       ws.MaskFrame(ws.Frame{Header: ws.Header{Fin: true, Rsv: 4, OpCode: ws.OpClose, Length: 2}, Payload: []byte{3, 232}}),
		"unmasked":  ws.NewCloseFrame([]byte{3, 232}),
		"opcode":    ws.MaskFrame(ws.NewFrame(7, true, nil)), // and any other fault
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			up := &upgrade.Upgrader{LingerTimeout: time.Hour} // a test that waits for it never ends
			c := admit(t, up, listen)
			c.send(string(ws.MustCompileFrame(f)))
			if code, _ := c.closed(); code != 1002 {
				t.Errorf("closed with %d, want 1002", code)
			}
			c.wantEOF()
			wantEmpty(t, up) // though the client says nothing more and stays
		})
	}
}

// TestYoungSessionsLingerWithinABudget refuses clients by their first message. They never answer.
func TestYoungSessionsLingerWithinABudget(t *testing.T) {
	t.Parallel()
	const budget, clients = 3, 10
	up := &upgrade.Upgrader{MaxLingering: budget, LingerTimeout: time.Hour}
	addr := newServer(t, up.Handler(run(func(ctx context.Context, c *upgrade.Conn) error {
		if _, _, err := c.Read(ctx, nil); err != nil {
			return err
		}
		return expired
	})))
	silent := make([]*client, clients)
	for i := range silent {
		silent[i] = connect(t, addr)
		silent[i].send(masked(ws.NewTextFrame([]byte("a bad token"))))
		silent[i].wantClose(4401, expiredText) // all are told
	}
	eventually(t, "those beyond the budget are gone", func() bool { return up.Stats().Live == budget })
	for _, c := range silent {
		c.send(masked(ws.NewCloseFrame(nil)))
	}
	wantEmpty(t, up)
	c := connect(t, addr) // and what it took was given back
	c.send(masked(ws.NewTextFrame([]byte("a bad token"))))
	c.wantClose(4401, expiredText)
	eventually(t, "it waits", func() bool { return up.Stats().Live == 1 })
	c.bye()
	wantEmpty(t, up)
}

// TestAnnouncedLengthPinsNothing: memory grows with what has arrived.
func TestAnnouncedLengthPinsNothing(t *testing.T) {
	const clients = 200
	up := &upgrade.Upgrader{}
	addr := newServer(t, up.Handler(run(listen)))
	conns := make([]*client, clients)
	for i := range conns {
		conns[i] = connect(t, addr)
	}
	before := inUse()
	for _, c := range conns {
		header := ws.Header{Fin: true, OpCode: ws.OpBinary, Masked: true, Length: 1 << 20}
		if err := ws.WriteHeader(c, header); err != nil {
			t.Fatal(err)
		}
	}
	sent := func() bool { return len(stacks("upgrade.(*Conn).rest")) >= clients }
	eventually(t, "all headers have been read", sent)
	if each := (int64(inUse()) - int64(before)) / clients; each > 4<<10 {
		t.Errorf("a frame's header costs %d bytes, want at most 4096", each)
	}
	for _, c := range conns {
		c.vanish()
	}
	wantEmpty(t, up)
}

// inUse is what heap and stacks take.
func inUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

// TestPingsComeBeforeProxiesCut: many proxies cut what was idle for 30 seconds.
func TestPingsComeBeforeProxiesCut(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes 20 seconds")
	}
	up := &upgrade.Upgrader{}
	c := admit(t, up, listen)
	c.SetDeadline(time.Now().Add(30 * time.Second))
	if f := c.frame(); f.Header.OpCode != ws.OpPing {
		t.Errorf("got frame %+v", f.Header)
	}
	c.leave(1000)
	wantEmpty(t, up)
}
