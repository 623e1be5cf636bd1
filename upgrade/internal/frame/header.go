// Package frame has what WebSocket frames are made of (RFC 6455 §5): headers, close bodies, and what
// follows a stream of frames without keeping it.
package frame

import (
	"encoding/binary"

	"github.com/gobwas/ws"
)

// Parse decodes a whole header. It returns false for a length that is none.
func Parse(h *ws.Header, b []byte) bool {
	h.Fin, h.Rsv, h.OpCode = b[0]&0x80 != 0, b[0]>>4&7, ws.OpCode(b[0]&0x0f)
	h.Masked = b[1]&0x80 != 0
	length, b := uint64(b[1]&0x7f), b[2:]
	switch length {
	case 126:
		length, b = uint64(binary.BigEndian.Uint16(b)), b[2:]
	case 127:
		length, b = binary.BigEndian.Uint64(b), b[8:]
	}
	h.Length = int64(length)
	if h.Masked {
		h.Mask = [4]byte(b)
	}
	return h.Length >= 0
}

// HeaderSize is how long a header is, by its second byte.
func HeaderSize(second byte) uint8 {
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

// AppendHeader appends the header of an unmasked frame.
func AppendHeader(dst []byte, op ws.OpCode, fin bool, n int) []byte {
	first := byte(op)
	if fin {
		first |= 0x80
	}
	switch {
	case n < 126:
		return append(dst, first, byte(n))
	case n <= 0xffff:
		return binary.BigEndian.AppendUint16(append(dst, first, 126), uint16(n))
	}
	return binary.BigEndian.AppendUint64(append(dst, first, 127), uint64(n))
}
