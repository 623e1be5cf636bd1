package upgrade_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/wsverdict/wsverdict/upgrade"
)

// Category 6: every sequence alone and between others, whole, and fragmented before every byte.
func TestConformanceUTF8(t *testing.T) {
	var all []exchange
	add := func(s sequence, name, raw string) {
		if s.ok {
			all = append(all, served("6 "+s.name+name, raw, word(ws.OpText, []byte(s.bytes))))
		} else {
			all = append(all, failed("6 "+s.name+name, raw, 1007))
		}
	}
	for _, s := range sequences() {
		add(s, "", textFrame(s.bytes))
		if len(s.bytes) > 20 {
			continue
		}
		s = s.around("κό", "σμε")
		add(s, ", in a word", textFrame(s.bytes))
		add(s, ", in octets", fragments(ws.OpText, split(s.bytes)...))
	}
	conform(t, all, []int{0})
	all = slices.DeleteFunc(all, func(x exchange) bool { return len(x.send) > 40 })
	conform(t, all, []int{1})
}

func split(s string) (octets []string) {
	for i := range len(s) {
		octets = append(octets, s[i:i+1])
	}
	return octets
}

func TestConformanceUTF8Messages(t *testing.T) {
	conform(t, []exchange{
		served("6.1.1 empty", textFrame(""), "text "),
		served("6.1.2 three empty fragments", fragments(ws.OpText, "", "", ""), "text "),
		served("6.1.3 empty around a fragment", fragments(ws.OpText, "", "κόσμε", ""), "text κόσμε"),
		served("6 a character over a ping", part(ws.OpText, false, "\xce")+pingFrame("\xff")+part(ws.OpContinuation, true, "\xba"),
			"pong \xff", "text κ"),
		failed("6 text ends in a character", textFrame("a\xe2\x82"), 1007),
		failed("6 fragments end in a character", fragments(ws.OpText, "a\xe2", "\x82", ""), 1007),
		failed("6 a character over two messages", textFrame("\xe2\x82")+textFrame("\xac"), 1007),
		failed("6 behind a good message", textFrame("κόσμε")+textFrame("\xff")+textFrame("no more"), 1007, "text κόσμε"),
		served("6 binary may be anything", binaryFrame("\xff")+fragments(ws.OpBinary, "\xe2", "\x82"), "binary \xff", "binary \xe2\x82"),
		served("6 text behind binary that ends in a character", binaryFrame("\xe2")+textFrame("a"), "binary \xe2", "text a"),
	}, cuts)
}

// Category 6.4: an invalid byte is answered when it is there, though neither its frame nor its
// message ever ends.
func TestConformanceUTF8FailsFast(t *testing.T) {
	for _, server := range echoes[:2] {
		t.Run(server.name, func(t *testing.T) {
			addr := newServer(t, (&upgrade.Upgrader{LingerTimeout: time.Hour}).Handler(run(server.session)))
			for _, s := range sequences() {
				s = s.around("κό", " and more")
				at := offending(s.bytes)
				if s.ok != (at < 0) {
					t.Fatalf("%s: the reference says %d", s.name, at)
				}
				if s.ok {
					continue
				}
				failsFast(t, addr, s.name, textFrame(s.bytes+repeated("x", 500)), at)
				failsFastFragmented(t, addr, s, at)
			}
			failsFast(t, addr, "6.4.3", textFrame("κόσμε\xf4\x90\x80\x80edited"), 11)
			failsFast(t, addr, "a large frame", textFrame(repeated("κ", 5000)+"\xff"+repeated("x", 90_000)), 10_000)
		})
	}
}

// failsFast sends frame up to the payload's byte at, and no further.
func failsFast(t *testing.T, addr, name, frame string, at int) {
	t.Helper()
	c, _ := handshake(t, addr)
	defer c.Conn.Close()
	h, err := ws.ReadHeader(strings.NewReader(frame))
	if err != nil {
		t.Fatal(err)
	}
	head := ws.HeaderSize(h)
	c.send(frame[:head+at])
	c.send(frame[head+at : head+at+1])
	wantFailure(t, c, name)
}

// failsFastFragmented does the same at the border of two fragments: up to there all is well, as a
// pong shows.
func failsFastFragmented(t *testing.T, addr string, s sequence, at int) {
	t.Helper()
	c, _ := handshake(t, addr)
	defer c.Conn.Close()
	c.send(part(ws.OpText, false, s.bytes[:at]) + pingFrame("alive"))
	for {
		f := c.frame()
		if f.Header.OpCode == ws.OpPong {
			break
		}
		if f.Header.OpCode.IsControl() {
			t.Fatalf("%s: %q can still become valid; got %+v %q", s.name, s.bytes[:at], f.Header, f.Payload)
		}
	}
	c.send(part(ws.OpContinuation, false, s.bytes[at:])[:7])
	wantFailure(t, c, s.name+", fragmented")
}

// wantFailure wants 1007, nothing behind it, and the end without waiting for an answer, which could
// not be told from payload.
func wantFailure(t *testing.T, c *client, name string) {
	t.Helper()
	for {
		f := c.frame()
		if f.Header.OpCode.IsData() {
			continue // of a stream's echo
		}
		if got := word(f.Header.OpCode, f.Payload); got != "close 1007 invalid_utf8;do=stop" {
			t.Fatalf("%s: got %s", name, got)
		}
		break
	}
	c.wantEOF()
}
