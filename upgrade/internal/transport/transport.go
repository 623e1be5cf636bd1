// Package transport takes a connection over from net/http. Everything behind the handshake sees a
// [net.Conn], and CloseWrite: the socket as it stands, since a wrapper would cost every connection an
// allocation and the kernel's vectored writes.
//
// There is one transport, the socket that an HTTP/1.1 server hands over. A second one, the stream
// of an extended CONNECT over HTTP/2 (RFC 8441), differs in three things. Its answer is a status
// and a header of net/http's, and frames behind them, instead of bytes (Answer). There is nothing
// to take over: Take makes a connection of the request's body, the ResponseWriter and its
// deadlines, and writing ends only with the handler (CloseWrite). And ServeHTTP has to stay until
// the connection is closed: a wait, at the end of the Upgrader's admission and of its closing,
// which returns at once for a socket.
package transport

import (
	"bufio"
	"net"
	"net/http"
	"time"
)

// A Taken is a connection that was taken over and whose handshake is not answered yet.
type Taken struct {
	Conn net.Conn
	buf  *bufio.ReadWriter
}

// Take takes the connection over. If it cannot, the error is a [*HijackError], and the connection
// still belongs to net/http.
func Take(w http.ResponseWriter) (Taken, error) {
	conn, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return Taken{}, &HijackError{Writer: innermost(w), Err: err}
	}
	if buf == nil || buf.Reader == nil || buf.Writer == nil { // a foreign Hijacker
		buf = bufio.NewReadWriter(bufio.NewReaderSize(conn, 16), bufio.NewWriter(conn))
	}
	return Taken{conn, buf}, nil
}

// Buffer is empty, with room for most answers: what net/http wrote responses with.
func (t Taken) Buffer() []byte { return t.buf.AvailableBuffer() }

// Answer sends out, which is Buffer with the answer appended, in one write. The deadline holds for
// reads as well, and replaces whatever a foreign Hijacker left. If it fails the connection is closed:
// nothing usable is left behind.
func (t Taken) Answer(out []byte, deadline time.Time) error {
	err := t.Conn.SetDeadline(deadline)
	if err == nil {
		t.buf.Write(out) // out is in buf's own space, or too large for it: either way one write
		err = t.buf.Flush()
	}
	if err != nil {
		t.Conn.Close()
	}
	return err
}

// Early is what the client sent behind its handshake. It lies in net/http's memory.
func (t Taken) Early() []byte {
	early, _ := t.buf.Peek(t.buf.Reader.Buffered()) // never reads: reading can cancel the request's context (go.dev/issue/32314)
	return early
}

// CloseWrite says to the peer that nothing more will come (a FIN), where the connection can, and
// reports whether it could.
func CloseWrite(conn net.Conn) bool {
	half, ok := conn.(interface{ CloseWrite() error })
	return ok && half.CloseWrite() == nil
}
