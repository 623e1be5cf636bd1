// Package transport takes a connection over from net/http. Everything behind the handshake sees a
// [net.Conn], and CloseWrite.
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
