// Package transport takes a connection over from net/http. Everything behind the handshake sees a
// [net.Conn], and CloseWrite.
//
// There are two transports. The socket that an HTTP/1.1 server hands over is used as it stands: a
// wrapper would cost every connection an allocation and the kernel's vectored writes. The stream of
// an extended CONNECT over HTTP/2 (RFC 8441) is a [Stream], and differs in three things. Its answer
// is a status and a header of net/http's, and frames behind them, instead of bytes ([Taken.Answer]).
// Writing ends only with the handler, so that it cannot be half-closed ([CloseWrite]). And the
// handler has to stay until the connection is closed ([Taken.Stay], which returns at once for a
// socket).
package transport

import (
	"bufio"
	"net"
	"net/http"
	"time"
)

// A Taken is a connection that was taken over and whose handshake is not answered yet.
type Taken struct {
	Conn   net.Conn
	buf    *bufio.ReadWriter // of a socket
	stream *Stream           // nil for a socket
}

// Take takes the connection over: of a request over HTTP/1.1 the socket, over a later version the
// stream. If it cannot, the error is a [*HijackError], and the connection still belongs to net/http.
func Take(w http.ResponseWriter, r *http.Request) (Taken, error) {
	if r.ProtoMajor > 1 {
		stream, err := newStream(w, r)
		if err != nil {
			return Taken{}, err
		}
		return Taken{Conn: stream, stream: stream}, nil
	}
	conn, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return Taken{}, &HijackError{Writer: innermost(w), Err: err}
	}
	if buf == nil || buf.Reader == nil || buf.Writer == nil { // a foreign Hijacker
		buf = bufio.NewReadWriter(bufio.NewReaderSize(conn, 16), bufio.NewWriter(conn))
	}
	return Taken{Conn: conn, buf: buf}, nil
}

// Buffer is empty. Of a socket it is what net/http wrote responses with, and has room for most answers.
func (t Taken) Buffer() []byte {
	if t.stream != nil {
		return nil
	}
	return t.buf.AvailableBuffer()
}

// Answer sends out, which is Buffer with the answer appended, in one write. Of a stream, out is what
// goes behind the header, which is the ResponseWriter's. The deadline holds for reads as well, and
// replaces whatever a foreign Hijacker left. If it fails the connection is closed: nothing usable is
// left behind.
func (t Taken) Answer(out []byte, deadline time.Time) error {
	err := t.Conn.SetDeadline(deadline)
	switch {
	case err != nil:
	case t.stream != nil:
		err = t.stream.answer(out)
	default:
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
	if t.stream != nil {
		return nil
	}
	early, _ := t.buf.Peek(t.buf.Reader.Buffered()) // never reads: reading can cancel the request's context (go.dev/issue/32314)
	return early
}

// Stay returns when the handler may: of a stream, when it was closed. Until then it reads for the
// stream, which nobody else does. The zero Taken and a socket it does not keep.
func (t Taken) Stay() {
	if t.stream != nil {
		t.stream.stay()
	}
}

// ProtoMajor is the major version of HTTP that a connection came by.
func ProtoMajor(conn net.Conn) int {
	if s, ok := conn.(*Stream); ok {
		return s.major
	}
	return 1
}

// CloseWrite says to the peer that nothing more will come (a FIN), where the connection can, and
// reports whether it could.
func CloseWrite(conn net.Conn) bool {
	half, ok := conn.(interface{ CloseWrite() error })
	return ok && half.CloseWrite() == nil
}
