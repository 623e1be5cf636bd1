package upgrade_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/wsverdict/wsverdict/upgrade"
)

// TestMalformedCloseEndsPromptly: who sends such a frame sends nothing more, so there is nothing to
// wait for.
func TestMalformedCloseEndsPromptly(t *testing.T) {
	t.Parallel()
	malformed := map[string]ws.Frame{
		"126 bytes": ws.MaskFrame(ws.NewFrame(ws.OpClose, true, make([]byte, 126))),
		"2⁶² bytes": {Header: ws.Header{Fin: true, OpCode: ws.OpClose, Masked: true, Length: 1 << 62}}, // announced
		"FIN 0":     ws.MaskFrame(ws.NewFrame(ws.OpClose, false, []byte{3, 232})),
		"RSV":       ws.MaskFrame(ws.Frame{Header: ws.Header{Fin: true, Rsv: 4, OpCode: ws.OpClose, Length: 2}, Payload: []byte{3, 232}}),
		"unmasked":  ws.NewCloseFrame([]byte{3, 232}),
	}
	for name, f := range malformed {
		t.Run(name+", refused", func(t *testing.T) {
			t.Parallel()
			up := &upgrade.Upgrader{LingerTimeout: time.Hour}
			c, res := handshake(t, newServer(t, up.Use(always(expired))(forbidden(t))))
			wantStatus(t, res, 101)
			c.wantClose(4401, expiredText)
			c.send(string(ws.MustCompileFrame(f)))
			c.wantEOF()
		})
		t.Run(name+", NetConn", func(t *testing.T) {
			t.Parallel()
			up := &upgrade.Upgrader{LingerTimeout: time.Hour}
			c := admit(t, up, func(_ context.Context, c *upgrade.Conn) error {
				_, _, err := wsutil.ReadClientData(c.NetConn())
				return err
			})
			c.send(string(ws.MustCompileFrame(f)))
			c.closed()
			c.wantEOF()
			wantEmpty(t, up)
		})
	}
	malformed["opcode"] = ws.MaskFrame(ws.NewFrame(7, true, nil)) // and any other fault
	for name, f := range malformed {
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

// TestAnnouncedLengthPinsNothing: memory grows with what has arrived, however it came and whoever
// reads it.
func TestAnnouncedLengthPinsNothing(t *testing.T) {
	if raceDetector() {
		t.Skip("the race detector takes memory of its own")
	}
	const clients, inline = 200, 138
	first := frameHeader(t, ws.Header{Fin: true, OpCode: ws.OpBinary, Masked: true, Length: 1 << 20})
	begun := frameHeader(t, ws.Header{OpCode: ws.OpBinary, Masked: true, Length: 1}) + "x"
	more := frameHeader(t, ws.Header{OpCode: ws.OpContinuation, Masked: true, Length: 1 << 20})
	ping := masked(ws.NewPingFrame(nil))
	for _, tc := range []struct {
		name    string
		session upgrade.Session
		bytes   string
	}{
		{name: "a header", session: listen, bytes: first},
		{name: "as much as fits", session: listen, bytes: first + strings.Repeat("x", inline-len(first))},
		{name: "fragments", session: listen, bytes: begun + more},
		{name: "fragments that fill", session: listen, bytes: begun + more + strings.Repeat("x", inline-len(begun)-len(more))},
		{name: "pings that fill", session: listen, bytes: strings.Repeat(ping, inline/len(ping))},
		{name: "half a header at the end", session: listen, bytes: strings.Repeat(ping, inline/len(ping)-1) + ping[:4] + "\x82\xff"},
		{name: "a Reader", session: streaming(8 << 10), bytes: first + strings.Repeat("x", inline-len(first))},
		{name: "a Reader of small pieces", session: streaming(100), bytes: first + strings.Repeat("x", inline-len(first))},
		{name: "a message left unread", session: skim, bytes: first + strings.Repeat("x", inline-len(first))},
	} {
		t.Run(tc.name, func(t *testing.T) {
			up := &upgrade.Upgrader{}
			srv := httptest.NewUnstartedServer(up.Handler(run(tc.session)))
			reads := &readCounter{Listener: srv.Listener}
			srv.Listener = reads
			srv.Start()
			t.Cleanup(srv.Close)
			conns := make([]*client, clients)
			for i := range conns {
				conns[i] = connect(t, reads.Addr().String())
			}
			waiting := func() bool { return reads.waiting.Load() == clients }
			eventually(t, "all wait", waiting)
			before, bytesBefore := inUse(), reads.bytes.Load()
			for _, c := range conns {
				c.send(tc.bytes)
			}
			want := bytesBefore + int64(clients*len(tc.bytes))
			eventually(t, "all has been read", func() bool { return reads.bytes.Load() == want && waiting() })
			most := before + clients*6<<10 // a buffer, and what a stack has grown
			eventually(t, "a client takes at most 6 KB", func() bool { return inUse() <= most })
			for _, c := range conns {
				c.vanish()
			}
			wantEmpty(t, up)
		})
	}
}

// A readCounter knows how much its connections have read, and how many wait to read more.
type readCounter struct {
	net.Listener
	bytes, waiting atomic.Int64
}

func (l *readCounter) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return countedConn{conn.(*net.TCPConn), l}, nil
}

type countedConn struct {
	*net.TCPConn
	by *readCounter
}

func (c countedConn) Read(p []byte) (int, error) {
	c.by.waiting.Add(1)
	n, err := c.TCPConn.Read(p)
	c.by.bytes.Add(int64(n))
	c.by.waiting.Add(-1)
	return n, err
}

func frameHeader(t *testing.T, h ws.Header) string {
	var b bytes.Buffer
	if err := ws.WriteHeader(&b, h); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// streaming reads messages as streams, in pieces of a size.
func streaming(size int) upgrade.Session {
	return func(ctx context.Context, c *upgrade.Conn) error {
		buf := make([]byte, size)
		for {
			_, r, err := c.Reader(ctx)
			for err == nil {
				_, err = r.Read(buf)
			}
			if err != io.EOF {
				return err
			}
		}
	}
}

// skim reads messages as streams, and nothing of any.
func skim(ctx context.Context, c *upgrade.Conn) error {
	for {
		if _, _, err := c.Reader(ctx); err != nil {
			return err
		}
	}
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
