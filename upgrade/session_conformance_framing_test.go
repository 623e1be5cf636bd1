package upgrade_test

import (
	"fmt"
	"testing"

	"github.com/gobwas/ws"
)

// Category 1: a message of every length form, of either type.
func TestConformanceFraming(t *testing.T) {
	var all []exchange
	for _, op := range []ws.OpCode{ws.OpText, ws.OpBinary} {
		for _, n := range []int{0, 1, 2, 3, 123, 124, 125, 126, 127, 128, 160, 255, 256, 4095, 4096, 4097, 65535, 65536, 65537} {
			fill := "*"
			if op == ws.OpBinary {
				fill = "\xfe"
			}
			p := repeated(fill, n)
			x := served(fmt.Sprintf("1, opcode %d, %d bytes", op, n), part(op, true, p), word(op, []byte(p)))
			x.once = n > 4097 // in octets it says nothing new
			all = append(all, x)
		}
	}
	all = append(all, served("1, neighbours", textFrame("a")+textFrame("")+binaryFrame("b")+textFrame("c"), "text a", "text ", "binary b", "text c"))
	conform(t, all, cuts)
	conform(t, all[len(all)-4:], []int{1300})
}

// Category 2: pings and pongs.
func TestConformancePings(t *testing.T) {
	long := repeated("\xfe", 125)
	var ten string
	var tenPongs []string
	for i := range 10 {
		ten += pingFrame(fmt.Sprint("payload-", i))
		tenPongs = append(tenPongs, fmt.Sprint("pong payload-", i))
	}
	conform(t, []exchange{
		served("2.1 no payload", pingFrame(""), "pong "),
		served("2.2 text payload", pingFrame("Hello, world!"), "pong Hello, world!"),
		served("2.3 binary payload", pingFrame("\x00\xff\xfe\xfd\xfc\xfb\x00\xff"), "pong \x00\xff\xfe\xfd\xfc\xfb\x00\xff"),
		served("2.4, 2.6 longest payload", pingFrame(long), "pong "+long),
		failed("2.5 payload of 126 bytes", pingFrame(long+"x"), 1002),
		failed("2.5 behind a message", textFrame("a")+pingFrame(long+"x")+textFrame("b"), 1002, "text a"),
		failed("2.5 of 64 KB", pingFrame(repeated("x", 1<<16)), 1002),
		served("2.7 unasked pong, no payload", pongFrame("")),
		served("2.8 unasked pong", pongFrame("unsolicited pong payload")),
		served("2.9 pong, then ping", pongFrame("unsolicited")+pingFrame("ping"), "pong ping"),
		served("2.10, 2.11 ten pings", ten, tenPongs...),
		served("2 a message between pings", pingFrame("1")+textFrame("a")+pingFrame("2"), "pong 1", "text a", "pong 2"),
		served("2 invalid UTF-8 is a ping's own affair", pingFrame("\xff"), "pong \xff"),
		failed("2 fragmented ping", part(ws.OpPing, false, "a"), 1002),
		failed("2 fragmented pong", part(ws.OpPong, false, "a"), 1002),
		failed("2 unmasked ping", string(ws.MustCompileFrame(ws.NewPingFrame([]byte("a")))), 1002),
	}, cuts)
}

func withRsv(f ws.Frame, rsv byte) string {
	f.Header.Rsv = rsv
	return masked(f)
}

// Category 3: a reserved bit without an extension fails the connection at once, whatever the frame.
func TestConformanceReservedBits(t *testing.T) {
	var all []exchange
	for rsv := byte(1); rsv < 8; rsv++ {
		name := fmt.Sprintf("3.%d ", rsv)
		all = append(all,
			failed(name+"text", withRsv(ws.NewTextFrame([]byte("Hello")), rsv), 1002),
			failed(name+"behind a message", textFrame("a")+withRsv(ws.NewTextFrame([]byte("b")), rsv)+pingFrame(""), 1002, "text a"),
			failed(name+"binary", withRsv(ws.NewBinaryFrame([]byte{0, 255}), rsv), 1002),
			failed(name+"ping", withRsv(ws.NewPingFrame([]byte("a")), rsv), 1002),
			failed(name+"pong", withRsv(ws.NewPongFrame(nil), rsv), 1002),
			failed(name+"close", withRsv(ws.NewCloseFrame(nil), rsv), 1002),
			failed(name+"continuation", part(ws.OpBinary, false, "")+withRsv(ws.NewFrame(ws.OpContinuation, true, nil), rsv), 1002),
		)
	}
	conform(t, all, cuts)
}

// Category 4: opcodes without a meaning.
func TestConformanceOpcodes(t *testing.T) {
	var all []exchange
	for _, op := range []ws.OpCode{3, 4, 5, 6, 7, 11, 12, 13, 14, 15} {
		name := fmt.Sprintf("4, opcode %d, ", op)
		all = append(all,
			failed(name+"empty", part(op, true, ""), 1002),
			failed(name+"payload", part(op, true, "reserved"), 1002),
			failed(name+"behind a message", textFrame("a")+part(op, true, "")+pingFrame(""), 1002, "text a"),
			failed(name+"behind a message, payload", textFrame("a")+part(op, true, repeated("x", 200))+pingFrame(""), 1002, "text a"),
			failed(name+"in a message", part(ws.OpBinary, false, "")+part(op, true, "")+part(ws.OpContinuation, true, ""), 1002),
		)
	}
	conform(t, all, cuts)
}

// What §5.1 and §5.2 ask of a header beyond that.
func TestConformanceHeaders(t *testing.T) {
	conform(t, []exchange{
		failed("unmasked text", "\x81\x05Hello", 1002),
		failed("unmasked, empty", "\x82\x00", 1002),
		failed("unmasked, 16 bits", "\x82\x7e\x01\x00"+repeated("x", 256), 1002),
		failed("unmasked in a message", part(ws.OpText, false, "")+"\x80\x01a", 1002),
		// Behind a length that is none nothing can be understood, so the end must not wait for it
		// to be.
		failed("length with its highest bit", "\x82\xff\x80\x00\x00\x00\x00\x00\x00\x01mask", 1002),
	}, cuts)
}
