package frame_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"github.com/wsverdict/wsverdict/upgrade/internal/frame"
)

var lengths = []int{0, 1, 125, 126, 127, 0xffff, 0x10000}

func TestAppendHeaderIsWhatGobwasWrites(t *testing.T) {
	for _, n := range lengths {
		for _, fin := range []bool{false, true} {
			h := ws.Header{Fin: fin, OpCode: ws.OpBinary, Length: int64(n)}
			var want bytes.Buffer
			if err := ws.WriteHeader(&want, h); err != nil {
				t.Fatal(err)
			}
			if got := frame.AppendHeader(nil, ws.OpBinary, fin, n); !bytes.Equal(got, want.Bytes()) {
				t.Errorf("%d %v: got %x, want %x", n, fin, got, want.Bytes())
			}
		}
	}
}

func TestParseIsWhatGobwasReads(t *testing.T) {
	for _, n := range lengths {
		for _, masked := range []bool{false, true} {
			want := ws.Header{Fin: n%2 == 0, Rsv: 5, OpCode: ws.OpText, Masked: masked, Length: int64(n)}
			if masked {
				want.Mask = ws.NewMask()
			}
			var b bytes.Buffer
			if err := ws.WriteHeader(&b, want); err != nil {
				t.Fatal(err)
			}
			var got ws.Header
			if ok := frame.Parse(&got, b.Bytes()); !ok || got != want {
				t.Errorf("got %+v %v, want %+v", got, ok, want)
			}
			if size := frame.HeaderSize(b.Bytes()[1]); int(size) != b.Len() {
				t.Errorf("%+v has %d bytes, not %d", want, b.Len(), size)
			}
		}
	}
	var h ws.Header
	if frame.Parse(&h, []byte{0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0}) {
		t.Error("a length of 2⁶³ was taken")
	}
}

type text string

func (s text) Append(dst []byte) []byte { return append(dst, s...) }

func TestAppendClose(t *testing.T) {
	for _, reason := range []text{"", "token_expired;do=refresh", text(strings.Repeat("x", 123))} {
		want, err := ws.CompileFrame(ws.NewCloseFrame(ws.NewCloseFrameBody(4401, string(reason))))
		if err != nil {
			t.Fatal(err)
		}
		if got := frame.AppendClose(nil, 4401, reason); !bytes.Equal(got, want) {
			t.Errorf("got %x, want %x", got, want)
		}
	}
	if got := frame.AppendClose(nil, 0, text("not sent")); !bytes.Equal(got, []byte{0x88, 0}) {
		t.Errorf("without a code: %x", got)
	}
	buf := make([]byte, 0, 200)
	if n := testing.AllocsPerRun(100, func() { frame.AppendClose(buf, 4401, text("token_expired")) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// stream is some frames, with a close frame at their end and something behind it.
func stream(t *testing.T, masked bool) []byte {
	t.Helper()
	var out bytes.Buffer
	write := func(f ws.Frame) {
		if masked {
			f = ws.MaskFrame(f)
		}
		if err := ws.WriteFrame(&out, f); err != nil {
			t.Fatal(err)
		}
	}
	write(ws.NewTextFrame([]byte("hello")))
	write(ws.NewFrame(ws.OpBinary, false, make([]byte, 300)))
	write(ws.NewPingFrame([]byte("in between")))
	write(ws.NewFrame(ws.OpContinuation, true, nil))
	write(ws.NewBinaryFrame(make([]byte, 70_000)))
	write(ws.NewCloseFrame(ws.NewCloseFrameBody(4001, "bye")))
	out.WriteString("\x88\x00 what is behind it does not count")
	return out.Bytes()
}

func TestScannerFollowsHoweverItIsCut(t *testing.T) {
	for _, masked := range []bool{false, true} {
		b := stream(t, masked)
		for range 200 {
			s := frame.Scanner{Keep: true}
			var messages uint64
			for rest := b; len(rest) > 0; {
				n := 1 + rand.IntN(min(len(rest), 1+rand.IntN(5000)))
				messages += s.Scan(rest[:n])
				rest = rest[n:]
			}
			code, reason := s.Close()
			if got := fmt.Sprint(messages, s.Closed, code, reason); got != "3 true 4001bye" {
				t.Fatalf("masked %v: got %s", masked, got)
			}
		}
	}
}

func TestScannerStands(t *testing.T) {
	var s frame.Scanner
	if !s.Between() || s.Inside() {
		t.Error("a new one does not stand between frames")
	}
	s.Scan([]byte{0x82})
	if s.Between() || s.Inside() {
		t.Error("half a header is between frames, or inside a payload")
	}
	s.Scan([]byte{2, 'a'})
	if s.Between() || !s.Inside() {
		t.Error("behind the header it does not stand inside the payload")
	}
	s.Scan([]byte{'b'})
	if !s.Between() {
		t.Error("behind the payload it does not stand between frames")
	}
	at := frame.At(3)
	at.Scan([]byte("abc\x88\x00"))
	if code, _ := at.Close(); !at.Closed || code != 1005 {
		t.Errorf("closed %v with %d, want true with 1005", at.Closed, code)
	}
}

func FuzzText(f *testing.F) {
	for _, seed := range []string{"", "a", "é", "€", "🙂", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xc0\xaf", "a\xe2\x82", "\xff"} {
		f.Add([]byte(seed), uint64(1))
	}
	f.Fuzz(func(t *testing.T, p []byte, cuts uint64) {
		var text frame.Text
		valid := true
		random := rand.New(rand.NewPCG(cuts, 0))
		for rest := p; len(rest) > 0 && valid; {
			n := 1 + random.IntN(len(rest))
			valid = text.Write(rest[:n])
			rest = rest[n:]
		}
		if valid = text.End() && valid; valid != utf8.Valid(p) {
			t.Fatalf("%q is valid: %v, want %v", p, valid, utf8.Valid(p))
		}
	})
}
