package frame

import (
	"encoding/binary"

	"github.com/gobwas/ws"
)

// AppendClose appends an unmasked close frame (RFC 6455 §5.5.1), an empty one for code 0. What reason
// appends has 123 bytes at most.
func AppendClose[R interface{ Append([]byte) []byte }](dst []byte, code uint16, reason R) []byte {
	if code == 0 {
		return append(dst, ws.CompiledClose...)
	}
	start := len(dst)
	dst = append(dst, 0x80|byte(ws.OpClose), 0)
	dst = binary.BigEndian.AppendUint16(dst, code)
	dst = reason.Append(dst)
	dst[start+1] = byte(len(dst) - start - 2)
	return dst
}
