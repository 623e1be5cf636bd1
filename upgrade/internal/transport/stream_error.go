package transport

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
)

// A StreamError says that the HTTP/2 stream of a WebSocket was reset (RST_STREAM, RFC 9113 §6.4): by
// the client, or by net/http for what the client sent.
type StreamError struct {
	Code uint32 // RFC 9113 §7: 8 is CANCEL
}

// Error gives the code.
func (e *StreamError) Error() string {
	return fmt.Sprintf("upgrade: the HTTP/2 stream was reset: code %d", e.Code)
}

// A streamReset has the form of golang.org/x/net/http2.StreamError, in which net/http's own can be had
// by [errors.As].
type streamReset struct {
	StreamID uint32
	Code     uint32
	Cause    error
}

func (streamReset) Error() string { return "" } // errors.As wants an error

// streamError says how a stream ended: by a reset, by the client's half-close (io.EOF), or with the
// connection that it was on.
func streamError(op string, err error) error {
	var reset streamReset
	switch {
	case err == nil, err == io.EOF, errors.Is(err, os.ErrDeadlineExceeded):
		return err
	case errors.As(err, &reset) && reset.Cause != nil:
		return reset.Cause // our own
	case errors.As(err, &reset):
		return &StreamError{reset.Code}
	}
	return &net.OpError{Op: op, Net: "http2", Err: err}
}
