package upgrade_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// request returns a valid handshake with changes: a request line replaces the one there, "-Name" removes a field, "+Name: value" adds a
// line, "Name: value" replaces.
func request(changes ...string) string {
	line := "GET /ws HTTP/1.1"
	fields := []string{
		"Host: example.com", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Origin: http://example.com",
	}
	drop := func(name string) {
		kept := fields[:0]
		for _, f := range fields {
			if !strings.HasPrefix(f, name+":") {
				kept = append(kept, f)
			}
		}
		fields = kept
	}
	for _, change := range changes {
		name, _, isField := strings.Cut(change, ":")
		switch {
		case strings.Contains(change, " HTTP/"):
			line = change
		case change[0] == '-':
			drop(change[1:])
		case change[0] == '+':
			fields = append(fields, change[1:])
		case isField:
			drop(name)
			fields = append(fields, change)
		}
	}
	return line + "\r\n" + strings.Join(fields, "\r\n") + "\r\n\r\n"
}

// A client speaks to a server in bytes.
type client struct {
	net.Conn
	t  testing.TB
	in *bufio.Reader
}

func dial(t testing.TB, addr string) *client {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return newClient(t, conn)
}

func newClient(t testing.TB, conn net.Conn) *client {
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	return &client{conn, t, bufio.NewReader(conn)}
}

// handshake is a new connection and the answer to its handshake.
func handshake(t testing.TB, addr string, changes ...string) (*client, *http.Response) {
	t.Helper()
	c := dial(t, addr)
	c.send(request(changes...))
	return c, c.response()
}

func (c *client) send(raw string) {
	c.t.Helper()
	if _, err := io.WriteString(c, raw); err != nil {
		c.t.Fatal("client write:", err)
	}
}

// response reads a response with its body, which stays readable.
func (c *client) response() *http.Response {
	c.t.Helper()
	res, err := http.ReadResponse(c.in, nil)
	if err != nil {
		c.t.Fatal("client read:", err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatal("client read of a body:", err)
	}
	res.Body = io.NopCloser(strings.NewReader(string(body)))
	return res
}

// readFrame reads a frame whole. It does not unmask.
func readFrame(r io.Reader) (f ws.Frame, err error) {
	if f.Header, err = ws.ReadHeader(r); err == nil {
		f.Payload = make([]byte, f.Header.Length)
		_, err = io.ReadFull(r, f.Payload)
	}
	return f, err
}

func (c *client) frame() ws.Frame {
	c.t.Helper()
	f, err := readFrame(c.in)
	if err != nil {
		c.t.Fatal("client read of a frame:", err)
	}
	return f
}

// wantClose reads a close frame.
func (c *client) wantClose(code uint16, reason string) {
	c.t.Helper()
	f := c.frame()
	if f.Header.OpCode != ws.OpClose || !f.Header.Fin || f.Header.Masked {
		c.t.Fatalf("got frame %+v %q, want an unmasked close", f.Header, f.Payload)
	}
	gotCode, gotReason := ws.ParseCloseFrameData(f.Payload)
	if uint16(gotCode) != code || gotReason != reason {
		c.t.Fatalf("closed with %d %q, want %d %q", gotCode, gotReason, code, reason)
	}
}

// wantEOF wants the end of the stream: a FIN, neither more bytes nor a reset.
func (c *client) wantEOF() {
	c.t.Helper()
	if b, err := c.in.ReadByte(); err != io.EOF {
		c.t.Fatalf("got byte %#x, error %v, want io.EOF", b, err)
	}
}

// wantEcho has echo answer, which then closes.
func (c *client) wantEcho(text string) {
	c.t.Helper()
	c.send(masked(ws.NewTextFrame([]byte(text))))
	if f := c.frame(); f.Header.OpCode != ws.OpText || string(f.Payload) != text {
		c.t.Fatalf("got frame %+v %q, want the text %q", f.Header, f.Payload, text)
	}
	c.wantClose(1000, "")
}

// wantEnd wants an end of any kind.
func (c *client) wantEnd() {
	c.t.Helper()
	var timeout net.Error
	if _, err := io.Copy(io.Discard, c.in); errors.As(err, &timeout) && timeout.Timeout() {
		c.t.Fatal("the connection was never ended")
	}
}

// bye answers a close frame and wants a clean end.
func (c *client) bye() {
	c.t.Helper()
	c.send(masked(ws.NewCloseFrame(ws.NewCloseFrameBody(1000, ""))))
	c.wantEOF()
}

// masked is a client's frame as bytes.
func masked(f ws.Frame) string { return string(ws.MustCompileFrame(ws.MaskFrame(f))) }
