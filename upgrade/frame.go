package upgrade

import (
	"encoding/binary"
	"fmt"

	"github.com/gobwas/ws"

	"github.com/wsverdict/wsverdict/codes"
)

// appendClose appends an unmasked close frame (RFC 6455 §5.5.1); an empty one for code 0.
func appendClose(dst []byte, code uint16, reason codes.Reason) []byte {
	if code == 0 {
		return append(dst, ws.CompiledClose...)
	}
	start := len(dst)
	dst = append(dst, 0x80|byte(ws.OpClose), 0)
	dst = binary.BigEndian.AppendUint16(dst, code)
	dst = reason.Append(dst)
	dst[start+1] = byte(len(dst) - start - 2) // at most 125: codes.MaxReason + 2
	return dst
}

// A CloseError is a close frame that the peer sent. Code is 1005 where the frame had none (RFC 6455 §7.1.5).
type CloseError struct {
	Code   uint16
	Reason string
}

// Error gives code and reason.
func (e *CloseError) Error() string {
	return fmt.Sprintf("websocket: closed by peer: %d %q", e.Code, e.Reason)
}

// A scanner follows the frames in a stream of bytes, however it is cut, without keeping them: it knows where a frame ends
// and when a close frame has passed.
type scanner struct {
	head   [ws.MaxHeaderSize]byte
	have   uint8  // bytes of head read
	need   uint8  // bytes that head will have; 0 until the second byte
	inside bool   // within a payload
	closed bool   // a whole close frame has passed; nothing behind it counts
	left   uint64 // payload still to come
	keep   bool   // keep the close frame's payload
	close  []byte // that payload, unmasked
}

// between reports whether the stream stands at the end of a frame.
func (s *scanner) between() bool { return s.have == 0 && !s.inside }

// scan follows p, and returns how many messages ended in it.
func (s *scanner) scan(p []byte) (messages uint64) {
	for len(p) > 0 && !s.closed {
		if s.inside {
			n := int(min(s.left, uint64(len(p))))
			messages += s.payload(p[:n])
			p = p[n:]
			continue
		}
		s.head[s.have] = p[0]
		s.have++
		p = p[1:]
		if s.have == 2 {
			s.need = headerSize(s.head[1])
		}
		if s.have >= 2 && s.have == s.need {
			messages += s.begin()
		}
	}
	return messages
}

func headerSize(second byte) uint8 {
	n := uint8(2)
	switch second & 0x7f {
	case 126:
		n += 2
	case 127:
		n += 8
	}
	if second&0x80 != 0 {
		n += 4
	}
	return n
}

// begin enters the payload of the frame whose header is complete. A length is taken as it is, up to 2⁶⁴-1: it is only counted.
func (s *scanner) begin() uint64 {
	switch n := s.head[1] & 0x7f; n {
	case 126:
		s.left = uint64(binary.BigEndian.Uint16(s.head[2:]))
	case 127:
		s.left = binary.BigEndian.Uint64(s.head[2:])
	default:
		s.left = uint64(n)
	}
	s.inside = true
	if s.left == 0 {
		return s.end()
	}
	return 0
}

func (s *scanner) isClose() bool { return ws.OpCode(s.head[0]&0x0f) == ws.OpClose }

func (s *scanner) payload(p []byte) uint64 {
	if s.keep && s.isClose() && len(s.close) < ws.MaxControlFramePayloadSize {
		s.close = append(s.close, p[:min(len(p), ws.MaxControlFramePayloadSize-len(s.close))]...)
	}
	s.left -= uint64(len(p))
	if s.left == 0 {
		return s.end()
	}
	return 0
}

// end leaves the frame, and returns 1 if it was a message's last.
func (s *scanner) end() (message uint64) {
	if s.isClose() {
		s.closed = true
		if s.head[1]&0x80 != 0 {
			ws.Cipher(s.close, [4]byte(s.head[s.need-4:s.need]), 0)
		}
	}
	if s.head[0]&0x80 != 0 && ws.OpCode(s.head[0]&0x0f).IsData() {
		message = 1
	}
	s.have, s.need, s.inside = 0, 0, false
	return message
}

// closeError is what the close frame said that has passed.
func (s *scanner) closeError() *CloseError {
	if len(s.close) < 2 {
		return &CloseError{Code: 1005}
	}
	code, reason := ws.ParseCloseFrameData(s.close)
	return &CloseError{Code: uint16(code), Reason: reason}
}
