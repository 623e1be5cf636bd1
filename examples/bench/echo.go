package bench

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	gorilla "github.com/gorilla/websocket"
	"github.com/lxzan/gws"

	"github.com/wsverdict/wsverdict/upgrade"
)

// An echoer sends every message back, as its library's users are shown to.
type echoer struct {
	name string
	make func() http.HandlerFunc
}

var echoers = []echoer{
	{"gobwas wsutil", func() http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			conn, _, _, err := ws.UpgradeHTTP(r, w)
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				for {
					message, op, err := wsutil.ReadClientData(conn)
					if err != nil || wsutil.WriteServerMessage(conn, op, message) != nil {
						return
					}
				}
			}()
		}
	}},
	{"gorilla", func() http.HandlerFunc {
		var up gorilla.Upgrader
		return func(w http.ResponseWriter, r *http.Request) {
			conn, err := up.Upgrade(w, r, nil)
			if err != nil {
				return
			}
			defer conn.Close()
			for {
				op, message, err := conn.ReadMessage()
				if err != nil || conn.WriteMessage(op, message) != nil {
					return
				}
			}
		}
	}},
	{"coder", func() http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			conn, err := websocket.Accept(w, r, nil)
			if err != nil {
				return
			}
			defer conn.CloseNow()
			for {
				op, message, err := conn.Read(r.Context())
				if err != nil || conn.Write(r.Context(), op, message) != nil {
					return
				}
			}
		}
	}},
	{"gws", func() http.HandlerFunc {
		up := gws.NewUpgrader(gwsEcho{}, nil)
		return func(w http.ResponseWriter, r *http.Request) {
			conn, err := up.Upgrade(w, r)
			if err != nil {
				return
			}
			go conn.ReadLoop()
		}
	}},
	{"wsverdict", func() http.HandlerFunc {
		up := &upgrade.Upgrader{}
		return up.Handler(func(*http.Request) (upgrade.Session, error) { return echo, nil }).ServeHTTP
	}},
}

type gwsEcho struct{ gws.BuiltinEventHandler }

func (gwsEcho) OnMessage(conn *gws.Conn, m *gws.Message) {
	defer m.Close()
	conn.WriteMessage(m.Opcode, m.Bytes())
}

func echo(ctx context.Context, c *upgrade.Conn) error {
	var buf []byte
	for {
		typ, message, err := c.Read(ctx, buf)
		if err != nil {
			return err
		}
		if err := c.Write(ctx, typ, message); err != nil {
			return err
		}
		buf = message
	}
}

const (
	echoConns   = 4
	echoWindow  = 16
	smallEcho   = 128
	largeEcho   = 16 << 10
	echoTimeout = 30 * time.Second // a case that hangs fails
)

func echoing(name, title string, size, window int) Row {
	row := Row{Name: name, Title: title, Base: "gws", PerSecond: true,
		Note: "Text over loopback, on net/http, 4 connections at a time, all in one process. The client is the same for all: it writes frames that were masked " +
			"before and counts the bytes that come back, and allocates nothing. wsverdict and gobwas check that the text is UTF-8, the others do not " +
			"by default; wsverdict reads into the session's buffer."}
	if window > 1 {
		row.Note += " Each client has 16 messages under way: it writes 16 at once and reads the answers meanwhile."
	}
	row.Targets = []Target{{Case: "wsverdict", Unit: "ns/op", Than: EveryPeer}, {Case: "wsverdict", Unit: "allocs/op", Most: 0}}
	for _, e := range echoers {
		row.Cases = append(row.Cases, Case{e.name, func(b *testing.B) { runEcho(b, e.make(), size, window) }})
	}
	return row
}

func runEcho(b *testing.B, f http.HandlerFunc, size, window int) {
	addr := serve(b, f)
	clients := make([]*echoClient, echoConns)
	for i := range clients {
		clients[i] = newEchoClient(b, addr, size, window)
	}
	var next atomic.Int32
	b.SetParallelism((echoConns + 1) / 2)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		c := clients[int(next.Add(1)-1)%echoConns]
		n := 0
		for pb.Next() {
			if n++; n == window {
				c.round(b, n)
				n = 0
			}
		}
		if n > 0 {
			c.round(b, n)
		}
	})
}

// serve serves f for as long as the benchmark runs.
func serve(b testing.TB, f http.HandlerFunc) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	server := &http.Server{Handler: f, ReadHeaderTimeout: 5 * time.Second}
	go server.Serve(l)
	b.Cleanup(func() { server.Close() })
	return l.Addr().String()
}

// An echoClient sends the same frames again and again.
type echoClient struct {
	conn    net.Conn
	text    []byte
	frames  []byte // window of them
	frame   int    // bytes of one
	answer  int    // bytes of its answer
	scratch [32 << 10]byte
	expect  chan int
	done    chan error
}

func newEchoClient(b testing.TB, addr string, size, window int) *echoClient {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(echoTimeout))
	if err := accepted(conn, ""); err != nil {
		b.Fatal(err)
	}
	text := []byte(strings.Repeat("all the same ", size/13+1)[:size])
	frame := ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame(text)))
	c := &echoClient{conn: conn, text: text, frame: len(frame), answer: len(frame) - 4}
	for range window {
		c.frames = append(c.frames, frame...)
	}
	if window > 1 {
		c.expect, c.done = make(chan int), make(chan error)
		b.Cleanup(func() { close(c.expect) })
		go func() {
			for n := range c.expect {
				c.done <- c.read(n)
			}
		}()
	}
	return c
}

// accepted sends a handshake with further lines, and reads the answer.
func accepted(conn net.Conn, lines string) error {
	if _, err := io.WriteString(conn, plainHandshake+lines+"\r\n"); err != nil {
		return err
	}
	res, err := http.ReadResponse(bufio.NewReaderSize(conn, 16), nil) // nothing comes behind it until there is a message
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusSwitchingProtocols {
		return errors.New(res.Status)
	}
	return nil
}

// round has n messages echoed.
func (c *echoClient) round(b testing.TB, n int) {
	if c.expect != nil {
		c.expect <- n * c.answer
	}
	if _, err := c.conn.Write(c.frames[:n*c.frame]); err != nil {
		b.Error(err)
	}
	var err error
	if c.expect != nil {
		err = <-c.done
	} else {
		err = c.read(c.answer)
	}
	if err != nil {
		b.Error(err)
	}
}

func (c *echoClient) read(bytes int) error {
	for bytes > 0 {
		n, err := c.conn.Read(c.scratch[:min(bytes, len(c.scratch))])
		if bytes -= n; err != nil {
			return err
		}
	}
	return nil
}
