package frame

import (
	"encoding/binary"

	"github.com/gobwas/ws"
)

// A Scanner follows the frames in a stream of bytes, however it is cut, without keeping them: it
// knows where a frame ends and when a close frame has passed.
type Scanner struct {
	head   [ws.MaxHeaderSize]byte
	have   uint8  // bytes of head read
	need   uint8  // bytes that head will have; 0 until the second byte
	inside bool   // within a payload
	Closed bool   // a whole close frame has passed; nothing behind it counts
	Broken bool   // a close frame has begun that is too long (RFC 6455 §5.5); nothing behind it counts
	left   uint64 // payload still to come
	Keep   bool   // keep the close frame's payload
	close  []byte // that payload, unmasked
}

// Between reports whether the stream stands at the end of a frame.
func (s *Scanner) Between() bool { return s.have == 0 && !s.inside }

// Scan follows p, and returns how many messages ended in it.
func (s *Scanner) Scan(p []byte) (messages uint64) {
	for len(p) > 0 && !s.Closed && !s.Broken {
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
			s.need = HeaderSize(s.head[1])
		}
		if s.have >= 2 && s.have == s.need {
			messages += s.begin()
		}
	}
	return messages
}

// begin enters the payload of the frame whose header is complete. A length is taken as it is, up to
// 2⁶⁴-1: it is only counted.
func (s *Scanner) begin() uint64 {
	switch n := s.head[1] & 0x7f; n {
	case 126:
		s.left = uint64(binary.BigEndian.Uint16(s.head[2:]))
	case 127:
		s.left = binary.BigEndian.Uint64(s.head[2:])
	default:
		s.left = uint64(n)
	}
	s.inside = true
	s.Broken = s.isClose() && s.left > ws.MaxControlFramePayloadSize
	if s.left == 0 {
		return s.end()
	}
	return 0
}

func (s *Scanner) isClose() bool { return ws.OpCode(s.head[0]&0x0f) == ws.OpClose }

func (s *Scanner) payload(p []byte) uint64 {
	if s.Keep && s.isClose() && len(s.close) < ws.MaxControlFramePayloadSize {
		s.close = append(s.close, p[:min(len(p), ws.MaxControlFramePayloadSize-len(s.close))]...)
	}
	s.left -= uint64(len(p))
	if s.left == 0 {
		return s.end()
	}
	return 0
}

// end leaves the frame, and returns 1 if it was a message's last.
func (s *Scanner) end() (message uint64) {
	if s.isClose() {
		s.Closed = true
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

// Close is what the close frame said that has passed, if Keep was set: 1005 where it had no code
// (RFC 6455 §7.1.5).
func (s *Scanner) Close() (code uint16, reason string) {
	if len(s.close) < 2 {
		return 1005, ""
	}
	status, reason := ws.ParseCloseFrameData(s.close)
	return uint16(status), reason
}

// At returns a Scanner that stands within a payload of which left bytes are to come, or, for 0, between
// two frames.
func At(left uint64) Scanner { return Scanner{inside: left > 0, left: left} }

// Inside reports whether the stream stands within a payload.
func (s *Scanner) Inside() bool { return s.inside }
