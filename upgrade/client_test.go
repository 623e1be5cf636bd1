package upgrade_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"github.com/wsverdict/wsverdict/upgrade/upgradetest"
)

// request returns a valid handshake with changes: a request line replaces the one there, "-Name"
// removes a field, "+Name: value" adds a line, "Name: value" replaces.
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
	*upgradetest.Client
	t  testing.TB
	in *bufio.Reader
}

func dial(t testing.TB, addr string) *client {
	t.Helper()
	c := upgradetest.Connect(t, addr)
	return &client{c, t, c.In}
}

func newClient(t testing.TB, conn net.Conn) *client {
	c := upgradetest.NewClient(t, conn)
	return &client{c, t, c.In}
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
	c.SendBytes([]byte(raw))
}

// response reads a response with its body, which stays readable.
func (c *client) response() *http.Response {
	c.t.Helper()
	return c.ReadResponse()
}

// readFrame reads a frame whole. It does not unmask.
func readFrame(r io.Reader) (ws.Frame, error) { return upgradetest.ReadFrame(r) }

func (c *client) frame() ws.Frame {
	c.t.Helper()
	return c.Frame()
}

// wantClose reads a close frame.
func (c *client) wantClose(code uint16, reason string) {
	c.t.Helper()
	c.WantClose(code, reason)
}

// wantEOF wants the end of the stream: a FIN, neither more bytes nor a reset.
func (c *client) wantEOF() {
	c.t.Helper()
	c.WantEOF()
}

// wantEcho has echo answer, which then closes.
func (c *client) wantEcho(text string) {
	c.t.Helper()
	c.Say(text, text)
	c.WantClose(1000, "")
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
	c.Bye()
}

// masked is a client's frame as bytes.
func masked(f ws.Frame) string { return string(ws.MustCompileFrame(ws.MaskFrame(f))) }
