package middleware_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/wsverdict/wsverdict/upgrade"
)

// patience ends a test that would hang; nothing that works comes near it.
const patience = 20 * time.Second

// eventually polls for what tells nobody that it has happened.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(patience)
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for !ok() {
		select {
		case <-again.C:
		case <-deadline:
			t.Fatalf("it never came to this: %s", what)
		}
	}
}

func wantEmpty(t testing.TB, up *upgrade.Upgrader) {
	t.Helper()
	eventually(t, "no connection and no seat is left", func() bool {
		s := up.Stats()
		return s.Live == 0 && s.Lingering == 0 && s.Seats == 0
	})
}

// live serves h on a socket and returns its address.
func live(t testing.TB, h http.Handler) string {
	t.Helper()
	srv := httptest.NewUnstartedServer(h)
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.Start()
	t.Cleanup(srv.Close)
	return srv.Listener.Addr().String()
}

// echo is a session that says everything again.
func echo(ctx context.Context, c *upgrade.Conn) error {
	for {
		typ, p, err := c.Read(ctx, nil)
		if err != nil {
			return err
		}
		if err := c.Write(ctx, typ, p); err != nil {
			return err
		}
	}
}

func run(s upgrade.Session) upgrade.Handler {
	return func(*http.Request) (upgrade.Session, error) { return s, nil }
}

// A peer is a client whose handshake was answered with 101.
type peer struct {
	net.Conn
	t testing.TB
	r io.Reader
}

// dial connects with header fields, given in pairs.
func dial(t testing.TB, addr string, set ...string) *peer {
	t.Helper()
	header := http.Header{}
	for i := 0; i < len(set); i += 2 {
		header.Add(set[i], set[i+1])
	}
	dialer := ws.Dialer{Header: ws.HandshakeHeaderHTTP(header), Timeout: patience}
	conn, early, _, err := dialer.Dial(t.Context(), "ws://"+addr+"/ws")
	if err != nil {
		t.Fatal("dial:", err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	p := &peer{Conn: conn, t: t, r: conn}
	if early != nil { // with the buffer, which is the dialer's to use again
		b, _ := early.Peek(early.Buffered())
		p.r = io.MultiReader(bytes.NewReader(bytes.Clone(b)), conn)
		ws.PutReader(early)
	}
	return p
}

func (p *peer) send(f ws.Frame) {
	p.t.Helper()
	if err := ws.WriteFrame(p, ws.MaskFrame(f)); err != nil {
		p.t.Fatal("write:", err)
	}
}

func (p *peer) frame() ws.Frame {
	p.t.Helper()
	h, err := ws.ReadHeader(p.r)
	payload := make([]byte, h.Length)
	if err == nil {
		_, err = io.ReadFull(p.r, payload)
	}
	if err != nil {
		p.t.Fatal("read:", err)
	}
	return ws.Frame{Header: h, Payload: payload}
}

// say sends a text and wants another back.
func (p *peer) say(text, want string) {
	p.t.Helper()
	p.send(ws.NewTextFrame([]byte(text)))
	if f := p.frame(); string(f.Payload) != want {
		p.t.Fatalf("got %+v %q, want %q", f.Header, f.Payload, want)
	}
}

// closed reads a close frame, answers it and wants the end.
func (p *peer) closed() (code uint16, reason string) {
	p.t.Helper()
	f := p.frame()
	if f.Header.OpCode != ws.OpClose {
		p.t.Fatalf("got %+v %q, want a close", f.Header, f.Payload)
	}
	status, reason := ws.ParseCloseFrameData(f.Payload)
	p.send(ws.NewCloseFrame(nil))
	if _, err := io.ReadFull(p.r, make([]byte, 1)); !errors.Is(err, io.EOF) {
		p.t.Errorf("behind the close frame: %v, want EOF", err)
	}
	return uint16(status), reason
}

func (p *peer) wantClose(code uint16, reason string) {
	p.t.Helper()
	if gotCode, gotReason := p.closed(); gotCode != code || gotReason != reason {
		p.t.Errorf("closed with %d %q, want %d %q", gotCode, gotReason, code, reason)
	}
}

func (p *peer) leave() {
	p.t.Helper()
	p.send(ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusNormalClosure, "")))
	if f := p.frame(); f.Header.OpCode != ws.OpClose {
		p.t.Fatalf("got %+v, want a close", f.Header)
	}
}

func textFrame(text string) ws.Frame { return ws.NewTextFrame([]byte(text)) }
