package handshake

import (
	"crypto/fips140"
	"crypto/sha1"
	"encoding/base64"
)

// acceptKey appends the Sec-WebSocket-Accept of key (RFC 6455 §4.2.2). The protocol has SHA-1 there
// as a checksum, not for security, so a process in FIPS mode may use it.
func acceptKey(dst []byte, key string) []byte {
	const guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
	var in [24 + len(guid)]byte
	copy(in[copy(in[:], key):], guid)
	if !fips140.Enforced() {
		sum := sha1.Sum(in[:])
		return base64.StdEncoding.AppendEncode(dst, sum[:])
	}
	fips140.WithoutEnforcement(func() {
		sum := sha1.Sum(in[:])
		dst = base64.StdEncoding.AppendEncode(dst, sum[:])
	})
	return dst
}
