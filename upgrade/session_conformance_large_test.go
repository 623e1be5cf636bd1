package upgrade_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"github.com/wsverdict/wsverdict/upgrade"
)

// cutUp is a message in fragments of a size.
func cutUp(op ws.OpCode, p string, size int) string {
	var raw strings.Builder
	for i := 0; i < len(p); i += size {
		end := min(i+size, len(p))
		raw.WriteString(part(op, end == len(p), p[i:end]))
		op = ws.OpContinuation
	}
	return raw.String()
}

// Category 9.1–9.4: large messages, whole and in fragments.
func TestConformanceLargeMessages(t *testing.T) {
	most := 16 << 20
	if raceDetector() { // it looks at every byte, and finds nothing more in many of them
		most = 1 << 20
	}
	letters, octets := repeated("Ж€😀a", most/10+1), repeated("\x00\xff\xfe\x80\x7f", most/5+1)
	var all []exchange
	add := func(op ws.OpCode, size, fragment int) {
		p := octets[:size]
		if op == ws.OpText {
			p = letters[:size/10*10]
		}
		all = append(all, served(fmt.Sprintf("9, opcode %d, %d bytes in fragments of %d", op, size, fragment),
			cutUp(op, p, fragment), word(op, []byte(p))))
	}
	for _, size := range []int{64 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20} {
		if size > most {
			break
		}
		add(ws.OpText, size, size)
		add(ws.OpBinary, size, size)
	}
	for _, fragment := range []int{64, 256, 1 << 10, 1300, 4 << 10, 16 << 10, 64 << 10, 256 << 10} {
		size := min(most/4, fragment<<11) // enough frames for anything that depends on their number
		add(ws.OpText, size, fragment)
		add(ws.OpBinary, size, fragment)
	}
	conform(t, all, []int{0})
}

// Category 9.5, 9.6, 10: what the network makes of a message.
func TestConformanceChops(t *testing.T) {
	p := repeated("Ж€😀a", 13_000)
	x := []exchange{served("9.5", textFrame(p), word(ws.OpText, []byte(p)))}
	conform(t, x, []int{64, 128, 159, 160, 161, 256, 512, 1 << 10, 1300, 2 << 10, 4093, 4 << 10, 64 << 10})
	p = p[:9000]
	conform(t, []exchange{served("10.1.1 chopped and fragmented", cutUp(ws.OpText, p, 1300), word(ws.OpText, []byte(p)))}, []int{1, 1300, 1301})
}

// Category 9.7, 9.8: many messages, one after the other and all at once.
func TestConformanceManyMessages(t *testing.T) {
	var pipelined []exchange
	for _, n := range []int{0, 16, 64, 120, 125, 140, 154, 155, 256, 1 << 10, 4090, 5000} {
		const times = 200
		p := repeated("*", n)
		pipelined = append(pipelined, served(fmt.Sprintf("9.7, pipelined, %d bytes", n), repeated(textFrame(p), times),
			slices.Repeat([]string{word(ws.OpText, []byte(p))}, times)...))
	}
	conform(t, pipelined, []int{0, 1000})
	for _, server := range echoes {
		c := admit(t, &upgrade.Upgrader{}, server.session)
		for i := range 1000 {
			want := fmt.Sprint("text ", i)
			c.send(textFrame(want[5:]))
			if server.name == "stream" {
				f, last := c.frame(), c.frame()
				if got := word(ws.OpText, append(f.Payload, last.Payload...)); got != want || f.Header.Fin || !last.Header.Fin {
					t.Fatalf("%s: got %q", server.name, got)
				}
			} else if f := c.frame(); word(f.Header.OpCode, f.Payload) != want {
				t.Fatalf("%s: got %q", server.name, f.Payload)
			}
		}
	}
}

// Category 9, the other side of it: what is over the limit is refused when its length is known, and
// what is under it is not.
func TestConformanceLimits(t *testing.T) {
	const limit = 1000
	for _, server := range echoes[:2] {
		addr := newServer(t, (&upgrade.Upgrader{MaxMessageBytes: limit, LingerBytes: 1 << 30}).Handler(run(server.session)))
		most := repeated("x", limit)
		for _, x := range []exchange{
			served("exactly", textFrame(most)+textFrame(most), word(ws.OpText, []byte(most)), word(ws.OpText, []byte(most))),
			served("a small one first", textFrame("small")+textFrame(most), "text small", word(ws.OpText, []byte(most))),
			served("exactly, in fragments", cutUp(ws.OpText, most, 10), word(ws.OpText, []byte(most))),
			served("exactly, the last one empty", part(ws.OpText, false, most)+part(ws.OpContinuation, true, ""), word(ws.OpText, []byte(most))),
			failed("one over", textFrame(most+"x"), 1009),
			failed("one over, in fragments", part(ws.OpBinary, false, most)+part(ws.OpContinuation, true, "x"), 1009),
			failed("behind a good one", textFrame("good")+textFrame(most+"x"), 1009, "text good"),
			failed("far over", textFrame(repeated(most, 5000)), 1009),
			failed("empty fragments without end", part(ws.OpText, false, "")+repeated(part(ws.OpContinuation, false, ""), limit), 1009),
			failed("the same behind content", part(ws.OpText, false, most)+part(ws.OpContinuation, false, ""), 1009)} {
			for _, cut := range []int{0, 999} {
				c, res := handshake(t, addr)
				wantStatus(t, res, 101)
				x.run(c, cut)
			}
		}
	}
}
