package upgrade_test

import (
	"fmt"
	"testing"

	"github.com/gobwas/ws"
)

// answered is an exchange that ends with the client's close frame, be it a good one or not.
func answered(name, send string, want ...string) exchange {
	return exchange{name: name, send: send, want: want, closes: true}
}

// Category 7.1: what comes behind a close frame is not answered.
func TestConformanceDataAfterClose(t *testing.T) {
	all := []exchange{
		answered("7.1.1 message, then close", textFrame("Hello")+closing1000, "text Hello", "close 1000 "),
		answered("7.1.2 two close frames", closing1000+closeFrame(1001, ""), "close 1000 "),
		answered("7.1.3 ping after close", closing1000+pingFrame("late"), "close 1000 "),
		answered("7.1.4 message after close", closing1000+textFrame("late"), "close 1000 "),
		answered("7.1.5 close in a message", part(ws.OpText, false, "1")+closing1000+part(ws.OpContinuation, true, "2"), "close 1000 "),
		answered("7.1.5 nothing behind it", part(ws.OpText, false, "1")+closing1000, "close 1000 "),
		answered("7.1.6 large message, close, ping", textFrame(repeated("*", 256<<10))+closing1000+pingFrame("late"),
			word(ws.OpText, []byte(repeated("*", 256<<10))), "close 1000 "),
		answered("7.1 a fault after close", closing1000+"\xff\xff\xff", "close 1000 "),
	}
	for i := range all {
		all[i].once = true
		all[i].noRaw = true // wsutil reads frame by frame: what it leaves in the kernel makes that answer with a reset
	}
	conform(t, all, cuts)
	conform(t, []exchange{
		answered("7.1.1 message, then close, cut", textFrame("Hello")+closing1000, "text Hello", "close 1000 "),
		answered("7.1.5 close in a message, cut", part(ws.OpText, false, "1")+closing1000, "close 1000 "),
	}, cuts)
}

// Category 7.3, 7.5: the close frame's payload.
func TestConformanceClosePayload(t *testing.T) {
	frame := func(p string) string { return part(ws.OpClose, true, p) }
	all := []exchange{
		answered("7.3.1 empty", frame(""), "close 1005 "),
		answered("7.3.3 code", closeFrame(1000, ""), "close 1000 "),
		answered("7.3.4 code and reason", closeFrame(1000, "Hello World!"), "close 1000 "),
		answered("7.3.5 reason of 123 bytes", closeFrame(1000, repeated("*", 123)), "close 1000 "),
		answered("7.3.5 of characters", closeFrame(1001, repeated("€", 41)), "close 1001 "),
	}
	faults := []exchange{
		answered("7.3.2 half a code", frame("\x03"), "close 1002 protocol_error;do=stop"),
		answered("7.5.1 reason is no UTF-8", frame("\x03\xe8\xce\xba\xed\xa0\x80edited"), "close 1007 invalid_utf8;do=stop"),
		answered("7.5 reason ends in a character", frame("\x03\xe8\xe2\x82"), "close 1007 invalid_utf8;do=stop"),
		failed("7.3.6 reason of 124 bytes", frame("\x03\xe8"+repeated("*", 124)), 1002),
		failed("7 fragmented close", part(ws.OpClose, false, "\x03\xe8"), 1002),
	}
	for i := range faults {
		faults[i].noRaw = true
	}
	conform(t, append(all, faults...), cuts)
}

// Category 7.7, 7.9, 7.13: every class of code. A close is answered with its own code, an
// impossible one with 1002.
func TestConformanceCloseCodes(t *testing.T) {
	var all []exchange
	for _, r := range []struct {
		from, to int
		ok       bool
		noRaw    bool // gobwas knows fewer codes than IANA
	}{
		{from: 0, to: 2}, {from: 16, to: 16}, {from: 100, to: 100}, {from: 998, to: 999},
		{from: 1000, to: 1003, ok: true},
		{from: 1004, to: 1006},
		{from: 1007, to: 1011, ok: true},
		{from: 1012, to: 1014, ok: true, noRaw: true},
		{from: 1015, to: 1017}, {from: 1100, to: 1100}, {from: 1999, to: 2001}, {from: 2999, to: 2999},
		{from: 3000, to: 3003, ok: true}, {from: 3999, to: 4001, ok: true}, {from: 4400, to: 4404, ok: true}, {from: 4998, to: 4999, ok: true},
		{from: 5000, to: 5001}, {from: 9999, to: 9999}, {from: 32767, to: 32768}, {from: 65535, to: 65535},
	} {
		for code := r.from; code <= r.to; code++ {
			want := "close 1002 protocol_error;do=stop"
			if r.ok {
				want = fmt.Sprintf("close %d ", code)
			}
			for _, reason := range []string{"", "a reason"} {
				x := answered(fmt.Sprintf("7, code %d %q", code, reason), closeFrame(code, reason), want)
				x.noRaw = r.noRaw || !r.ok
				all = append(all, x)
			}
		}
	}
	conform(t, all, []int{0, 1})
}
