package bench

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/gobwas/ws"
)

// Handshake is what Chromium sends, with a session cookie, up to the empty line.
const Handshake = "GET /ws/rooms/lobby HTTP/1.1\r\n" +
	"Host: app.example.com\r\n" +
	"Connection: Upgrade\r\n" +
	"Pragma: no-cache\r\n" +
	"Cache-Control: no-cache\r\n" +
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36\r\n" +
	"Upgrade: websocket\r\n" +
	"Origin: https://app.example.com\r\n" +
	"Sec-WebSocket-Version: 13\r\n" +
	"Accept-Encoding: gzip, deflate, br, zstd\r\n" +
	"Accept-Language: en-GB,en;q=0.9\r\n" +
	"Cookie: session=5f2b1c0e9d8a4b7c6e3f1a2d\r\n" +
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
	"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"

// plainHandshake is the same without an offer of compression, which coder would accept.
var plainHandshake = Handshake[:strings.Index(Handshake, "Sec-WebSocket-Extensions")]

// newRequest parses the Handshake as net/http does, with further header lines.
func newRequest(lines ...string) *http.Request {
	raw := Handshake
	for _, line := range lines {
		raw += line + "\r\n"
	}
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(raw + "\r\n")))
	if err != nil {
		panic(err)
	}
	r.RemoteAddr = "192.0.2.1:54321"
	return r
}

// newOrdinary is a request that does not ask for an upgrade.
func newOrdinary() *http.Request {
	r := newRequest()
	r.Header.Del("Connection")
	r.Header.Del("Upgrade")
	return r
}

// clientClose is a browser's answer to a close frame: masked, with the same code.
var clientClose = ws.MustCompileFrame(ws.MaskFrame(ws.NewCloseFrame(ws.NewCloseFrameBody(4401, ""))))

// A fakeWriter is a ResponseWriter that can be hijacked again and again. Every Hijack finds early in the reader, as if the
// client had sent it right behind its handshake.
type fakeWriter struct {
	header http.Header
	conn   fakeConn
	buf    *bufio.ReadWriter
	early  []byte
	source bytes.Reader
	status int
}

func newWriter(early []byte) *fakeWriter {
	w := &fakeWriter{header: http.Header{}, early: early}
	w.buf = bufio.NewReadWriter(bufio.NewReader(&w.conn), bufio.NewWriter(&w.conn))
	return w
}

func (w *fakeWriter) Header() http.Header         { return w.header }
func (w *fakeWriter) WriteHeader(status int)      { w.status = status }
func (w *fakeWriter) Write(p []byte) (int, error) { return len(p), nil }

func (w *fakeWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if w.early != nil {
		w.source.Reset(w.early)
		w.buf.Reader.Reset(&w.source)
		w.buf.Reader.Peek(1)
	}
	w.buf.Writer.Reset(&w.conn)
	return &w.conn, w.buf, nil
}

// A fakeConn swallows what is written and is at its end when read. It keeps what the tests want to see.
type fakeConn struct {
	keep    bool
	written []byte
}

func (c *fakeConn) Write(p []byte) (int, error) {
	if c.keep {
		c.written = append(c.written, p...)
	}
	return len(p), nil
}

func (*fakeConn) Read([]byte) (int, error)         { return 0, io.EOF }
func (*fakeConn) Close() error                     { return nil }
func (*fakeConn) LocalAddr() net.Addr              { return fakeAddr }
func (*fakeConn) RemoteAddr() net.Addr             { return fakeAddr }
func (*fakeConn) SetDeadline(time.Time) error      { return nil }
func (*fakeConn) SetReadDeadline(time.Time) error  { return nil }
func (*fakeConn) SetWriteDeadline(time.Time) error { return nil }

var fakeAddr = &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 54321}
