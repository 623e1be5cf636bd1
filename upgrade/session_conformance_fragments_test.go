package upgrade_test

import (
	"testing"

	"github.com/gobwas/ws"
)

// fragments is a message in frames of the given payloads.
func fragments(op ws.OpCode, parts ...string) (raw string) {
	for i, p := range parts {
		raw += part(op, i == len(parts)-1, p)
		op = ws.OpContinuation
	}
	return raw
}

// Category 5: fragmentation, and control frames between the fragments.
func TestConformanceFragmentation(t *testing.T) {
	first, next, last := part(ws.OpText, false, "1"), part(ws.OpContinuation, false, "2"), part(ws.OpContinuation, true, "3")
	conform(t, []exchange{
		failed("5.1 ping in two fragments", part(ws.OpPing, false, "1")+part(ws.OpContinuation, true, "2"), 1002),
		failed("5.2 pong in two fragments", part(ws.OpPong, false, "1")+part(ws.OpContinuation, true, "2"), 1002),
		served("5.3 two fragments", fragments(ws.OpText, "fragment1", "fragment2"), "text fragment1fragment2"),
		served("5.4 the same, binary", fragments(ws.OpBinary, "\xff", "\xfe"), "binary \xff\xfe"),
		served("5.6 ping in between", first+pingFrame("ping")+last, "pong ping", "text 13"),
		served("5.6 longest ping in between", first+pingFrame(repeated("p", 125))+last, "pong "+repeated("p", 125), "text 13"),
		served("5.8 pings everywhere", pingFrame("a")+first+pingFrame("b")+next+pingFrame("c")+pingFrame("d")+last+pingFrame("e"),
			"pong a", "pong b", "pong c", "pong d", "text 123", "pong e"),
		served("5 pong in between", first+pongFrame("unasked")+last, "text 13"),
		failed("5.9, 5.11 continuation of nothing, final", last, 1002),
		failed("5.9 behind a message", textFrame("a")+last+textFrame("b"), 1002, "text a"),
		failed("5.12, 5.14 continuation of nothing", next+textFrame("b"), 1002),
		failed("5.12 behind a fragmented message", first+last+next, 1002, "text 13"),
		failed("5.15 behind a fragmented message, then another", first+last+next+first+last, 1002, "text 13"),
		failed("5.16 continuation that is not final first, then a message", next+first+last, 1002),
		failed("5.18 a second beginning", part(ws.OpText, false, "1")+part(ws.OpText, true, "2"), 1002),
		failed("5.18 of the other type", part(ws.OpText, false, "1")+part(ws.OpBinary, false, "2"), 1002),
		served("5.19, 5.20 five fragments and pings", first+next+pingFrame("x")+next+next+pingFrame("y")+last, "pong x", "pong y", "text 12223"),
		served("5 empty fragments", fragments(ws.OpText, "", "", "", ""), "text "),
		served("5 empty first", fragments(ws.OpText, "", "a"), "text a"),
		served("5 empty last", fragments(ws.OpText, "a", ""), "text a"),
		served("5 empty in the midst", fragments(ws.OpBinary, "a", "", "b"), "binary ab"),
		served("5 two fragmented messages", fragments(ws.OpText, "a", "b")+fragments(ws.OpBinary, "c", "d"), "text ab", "binary cd"),
		failed("5 unknown opcode in between", first+part(5, true, "")+last, 1002),
		failed("5 long ping in between", first+pingFrame(repeated("p", 126))+last, 1002),
		failed("5 fragmented ping in between", first+part(ws.OpPing, false, "p")+last, 1002),
	}, cuts)
}
