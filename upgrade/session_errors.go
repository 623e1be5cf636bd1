package upgrade

import (
	"errors"
	"fmt"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade/internal/frame"
	"github.com/wsverdict/wsverdict/upgrade/internal/transport"
)

// ErrClosed is what reads and writes return once this side has closed the connection.
var ErrClosed = errors.New("upgrade: the connection was closed by this side")

// A closedError is the cause of a context that a verdict cancelled: the verdict, and ErrClosed.
type closedError struct{ verdict policy.Verdict }

func (e *closedError) Error() string   { return "upgrade: closed: " + e.verdict.Error() }
func (e *closedError) Unwrap() []error { return []error{ErrClosed, e.verdict} }

// A failure is the cause when a session returned an error: that error, and ErrClosed.
type failure struct{ err error }

func (e *failure) Error() string   { return "upgrade: the session failed: " + e.err.Error() }
func (e *failure) Unwrap() []error { return []error{ErrClosed, e.err} }

// A StreamError is the error of reads and writes, and the Err of an [Ended] event, when the HTTP/2
// stream of a connection was reset: by the client, whose Code is one of RFC 9113 §7 (8 is CANCEL), or
// by net/http for what the client sent. When the HTTP/2 connection ended under it, by a GOAWAY too,
// the error is a [*net.OpError] instead.
type StreamError = transport.StreamError

// denialIn finds the denying verdict in an error, nil if there is none.
func denialIn(err error) *policy.Verdict {
	if err == nil {
		return nil
	}
	var v policy.Verdict
	if asVerdict(err, &v) && !v.Allowed() {
		return &v
	}
	return nil
}

// asVerdict is errors.As. The error's methods are the user's, and may panic: those of a nil pointer do.
func asVerdict(err error, v *policy.Verdict) (ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	return errors.As(err, v)
}

// A CloseError is a close frame that the peer sent. Code is 1005 where the frame had none (RFC 6455
// §7.1.5).
type CloseError struct {
	Code   uint16
	Reason string
}

// Error gives code and reason.
func (e *CloseError) Error() string {
	return fmt.Sprintf("websocket: closed by peer: %d %q", e.Code, e.Reason)
}

// closeErrorOf is the close frame that has passed.
func closeErrorOf(s *frame.Scanner) *CloseError {
	code, reason := s.Close()
	return &CloseError{Code: code, Reason: reason}
}

// echoed is the code that answers a client's close frame (RFC 6455 §5.5.1): its own; 0 for a frame
// without one.
func echoed(code uint16) uint16 {
	switch {
	case code == 1005:
		return 0
	case !codes.Sendable(code):
		return 1002
	}
	return code
}

// A ProtocolError is a fault in what the client sent. The connection was closed with Code.
type ProtocolError struct {
	Code  uint16 // 1002, 1007 or 1009
	Fault string
}

// Error describes the fault.
func (e *ProtocolError) Error() string { return "upgrade: the client: " + e.Fault }

var (
	badProtocol = codes.NewReason("protocol_error", codes.Stop, 0)
	badText     = codes.NewReason("invalid_utf8", codes.Stop, 0)
	tooBig      = codes.NewReason("message_too_big", codes.Stop, 0)
)

// fault closes the connection for what the client sent. Nothing behind it is understood any more.
func (c *Conn) fault(code uint16, reason codes.Reason, what string) error {
	e := &ProtocolError{Code: code, Fault: what}
	c.begin(code, reason, ByServer, e)
	return e
}
