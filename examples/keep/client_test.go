package keep

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/wsverdict/wsverdict/upgrade/upgradetest"
)

const testTime = 2 * time.Minute // for what hangs; nothing should come near it

type server struct{ url string }

func serve(t *testing.T, h http.Handler) server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return server{"ws" + strings.TrimPrefix(s.URL, "http")}
}

// A client sends and reads frames.
type client struct {
	t           *testing.T
	conn        net.Conn
	read        io.Reader
	subprotocol string
	requestID   string // from the header of the 101
}

func (s server) dial(t *testing.T, origin string, offer ...string) (*client, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testTime)
	defer cancel()
	requestID := ""
	dialer := ws.Dialer{Protocols: offer, Header: ws.HandshakeHeaderHTTP(http.Header{"Origin": {origin}}),
		OnHeader: func(key, value []byte) error {
			if http.CanonicalHeaderKey(string(key)) == "X-Request-Id" {
				requestID = string(value)
			}
			return nil
		}}
	conn, buffered, handshake, err := dialer.Dial(ctx, s.url)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(testTime)); err != nil {
		t.Fatal(err)
	}
	if buffered == nil { // nothing came with the 101
		buffered = bufio.NewReader(conn)
	}
	return &client{t, conn, buffered, handshake.Protocol, requestID}, nil
}

func (s server) mustDial(t *testing.T, origin string, offer ...string) *client {
	t.Helper()
	c, err := s.dial(t, origin, offer...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// refuses wants the handshake answered with 403.
func (s server) refuses(t *testing.T, origin, subprotocol string) {
	t.Helper()
	_, err := s.dial(t, origin, subprotocol, "bearer", goodToken)
	if status := ws.StatusError(0); !errors.As(err, &status) || int(status) != http.StatusForbidden {
		t.Errorf("%v, want status 403", err)
	}
}

func (c *client) send(op ws.OpCode, payload []byte) {
	c.t.Helper()
	if err := ws.WriteFrame(c.conn, ws.MaskFrame(ws.NewFrame(op, true, payload))); err != nil {
		c.t.Fatal(err)
	}
}

// ask sends a message and returns the next one.
func (c *client) ask(message string) string {
	c.t.Helper()
	c.send(ws.OpText, []byte(message))
	f, err := upgradetest.ReadFrame(c.read)
	if err != nil {
		c.t.Fatal(err)
	}
	if f.Header.OpCode != ws.OpText {
		c.t.Fatalf("opcode %#x, %q; want a text", f.Header.OpCode, f.Payload)
	}
	return string(f.Payload)
}

// greet is what speak is for libraries that have no protocol of their own.
func greet(t *testing.T, c *client) {
	t.Helper()
	if got, want := c.ask("hello"), "hello "+user; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// closes reads the server's close frame, answers it, and waits for the end of the stream. A reset is none.
func (c *client) closes(code int, reason string) {
	c.t.Helper()
	f, err := upgradetest.ReadFrame(c.read)
	if err != nil {
		c.t.Fatal(err)
	}
	gotCode, gotReason := ws.ParseCloseFrameData(f.Payload)
	if f.Header.OpCode != ws.OpClose || int(gotCode) != code || gotReason != reason {
		c.t.Fatalf("frame %#x, %d %q; want a close frame with %d %q", f.Header.OpCode, gotCode, gotReason, code, reason)
	}
	c.send(ws.OpClose, f.Payload[:2])
	if n, err := io.Copy(io.Discard, c.read); n != 0 || err != nil {
		c.t.Fatalf("%d bytes and %v behind the close frame, want the end of the stream", n, err)
	}
}
