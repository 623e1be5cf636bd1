package upgradetest

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/gobwas/ws"
)

// A Client is a WebSocket client that speaks in single frames. What it meets instead of what it
// wants fails the test. It does nothing by itself: one that is left alone is silent, and answers no
// close frame; after Close, which sends none, it is gone. It is not safe for concurrent use.
type Client struct {
	net.Conn
	In       *bufio.Reader  // what the server sends; reads go here, not to Conn
	Response *http.Response // to the handshake, with its whole body; nil before there was one

	// Pongs has the client answer pings, as browsers do, while it waits for a frame, which is never
	// a ping then. Those of [Open] and [Pair] do.
	Pongs bool

	t testing.TB
}

// NewClient returns a client on a connection of the test's own, before any handshake.
func NewClient(t testing.TB, conn net.Conn) *Client {
	t.Helper()
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(patience())
	return &Client{Conn: conn, In: bufio.NewReader(conn), t: t}
}

// Connect connects to an address, without a handshake.
func Connect(t testing.TB, addr string) *Client {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return NewClient(t, conn)
}

// Dial connects to target at addr, which [Serve] returns, and wants its handshake answered with 101:
// the request was admitted, or refused with a close frame. fields are names and values of header
// fields beyond the handshake's own, in pairs.
func Dial(t testing.TB, addr, target string, fields ...string) *Client {
	t.Helper()
	c := Handshake(t, addr, target, Header(fields...))
	c.wantSwitched()
	return c
}

func (c *Client) wantSwitched() {
	c.t.Helper()
	if c.Response.StatusCode != http.StatusSwitchingProtocols {
		body, _ := io.ReadAll(c.Response.Body)
		c.t.Fatalf("got %s %s, want 101", c.Response.Status, body)
	}
}

// Handshake connects, sends a GET request with exactly the header given (and Host), and reads the
// answer, whatever it is.
func Handshake(t testing.TB, addr, target string, header http.Header) *Client {
	t.Helper()
	c := Connect(t, addr)
	c.request(target, addr, header)
	return c
}

func (c *Client) request(target, host string, header http.Header) {
	c.t.Helper()
	var b bytes.Buffer
	b.WriteString("GET " + target + " HTTP/1.1\r\nHost: " + host + "\r\n")
	header.Write(&b)
	b.WriteString("\r\n")
	c.SendBytes(b.Bytes())
	c.ReadResponse()
}

// Header returns the header of a valid handshake with further fields, given as names and values in
// pairs. There is no Origin in it: browsers send one, other clients do not.
func Header(fields ...string) http.Header {
	h := http.Header{
		"Upgrade": {"websocket"}, "Connection": {"keep-alive, Upgrade"},
		"Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}, // RFC 6455 §1.3
	}
	for i := 0; i < len(fields); i += 2 {
		h.Add(fields[i], fields[i+1])
	}
	return h
}

// ReadResponse reads an HTTP response with its body, which stays readable, and keeps it as Response.
func (c *Client) ReadResponse() *http.Response {
	c.t.Helper()
	res, err := http.ReadResponse(c.In, nil)
	if err != nil {
		c.t.Fatal("client read of a response:", err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatal("client read of a body:", err)
	}
	res.Body = io.NopCloser(bytes.NewReader(body))
	c.Response = res
	return res
}

// SendBytes sends p as it is.
func (c *Client) SendBytes(p []byte) {
	c.t.Helper()
	if _, err := c.Write(p); err != nil {
		c.t.Fatal("client write:", err)
	}
}

// Send sends a frame, masked as a client's must be.
func (c *Client) Send(f ws.Frame) {
	c.t.Helper()
	c.SendBytes(ws.MustCompileFrame(ws.MaskFrame(f)))
}

// SendText sends a text message in one frame.
func (c *Client) SendText(text string) {
	c.t.Helper()
	c.Send(ws.NewTextFrame([]byte(text)))
}

// Frame reads a frame whole. It does not unmask: a server's frames are not masked.
func (c *Client) Frame() ws.Frame {
	c.t.Helper()
	for {
		f, err := ReadFrame(c.In)
		if err != nil {
			c.t.Fatal("client read of a frame:", err)
		}
		if !c.Pongs || f.Header.OpCode != ws.OpPing {
			return f
		}
		c.Send(ws.NewPongFrame(f.Payload))
	}
}

// ReadFrame reads a frame whole from r. It does not unmask.
func ReadFrame(r io.Reader) (f ws.Frame, err error) {
	if f.Header, err = ws.ReadHeader(r); err == nil {
		f.Payload = make([]byte, f.Header.Length)
		_, err = io.ReadFull(r, f.Payload)
	}
	return f, err
}

// Say sends a text and wants another back.
func (c *Client) Say(text, want string) {
	c.t.Helper()
	c.SendText(text)
	c.WantText(want)
}

// WantText reads a text message, in one frame, that must be this.
func (c *Client) WantText(want string) {
	c.t.Helper()
	if f := c.Frame(); f.Header.OpCode != ws.OpText || string(f.Payload) != want {
		c.t.Fatalf("got frame %+v %q, want the text %q", f.Header, f.Payload, want)
	}
}

// ReadClose reads a close frame, and does not answer it.
func (c *Client) ReadClose() (code uint16, reason string) {
	c.t.Helper()
	f := c.Frame()
	if f.Header.OpCode != ws.OpClose || !f.Header.Fin || f.Header.Masked {
		c.t.Fatalf("got frame %+v %q, want an unmasked close", f.Header, f.Payload)
	}
	status, reason := ws.ParseCloseFrameData(f.Payload)
	return uint16(status), reason
}

// WantClose reads a close frame that must say this, and does not answer it.
func (c *Client) WantClose(code uint16, reason string) {
	c.t.Helper()
	if gotCode, gotReason := c.ReadClose(); gotCode != code || gotReason != reason {
		c.t.Fatalf("closed with %d %q, want %d %q", gotCode, gotReason, code, reason)
	}
}

// WantEOF wants the end of the stream: a FIN, neither more bytes nor a reset.
func (c *Client) WantEOF() {
	c.t.Helper()
	if b, err := c.In.ReadByte(); err != io.EOF {
		c.t.Fatalf("got byte %#x, error %v, want io.EOF", b, err)
	}
}

// Bye answers the server's close frame, and wants the end.
func (c *Client) Bye() {
	c.t.Helper()
	c.Send(ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusNormalClosure, "")))
	c.WantEOF()
}

// Leave closes with a code, and wants it back and the end.
func (c *Client) Leave(code uint16) {
	c.t.Helper()
	c.Send(ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusCode(code), "")))
	c.WantClose(code, "")
	c.WantEOF()
}
