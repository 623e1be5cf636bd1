package upgrade_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"github.com/wsverdict/wsverdict/upgrade"
)

const fuzzLimit = 400

// wanted is what a client that sends raw gets back from an echo server: slowly, from the whole
// stream, after RFC 6455 §5 to §8. more is set if the stream ends before the connection does.
func wanted(raw []byte) (words []string, more bool) {
	var message []byte
	var op ws.OpCode
	spent := 0
	fail := func(code int) []string { return append(words, fmt.Sprintf("close %d", code)) }
	for {
		if len(raw) < 2 {
			return words, true
		}
		first, n, head := raw[0], uint64(raw[1]&0x7f), 6
		masked := raw[1]&0x80 != 0
		switch n {
		case 126:
			head += 2
		case 127:
			head += 8
		}
		if !masked {
			head -= 4
		}
		if len(raw) < head {
			return words, true
		}
		switch raw[1] & 0x7f {
		case 126:
			n = uint64(binary.BigEndian.Uint16(raw[2:]))
		case 127:
			n = binary.BigEndian.Uint64(raw[2:])
		}
		fin, code := first&0x80 != 0, ws.OpCode(first&0x0f)
		control := code >= 8
		switch {
		case n >= 1<<63, first&0x70 != 0, !masked, code > 2 && code < 8, code > 10, control && (!fin || n > 125),
			!control && (code == 0) != (op != 0):
			return fail(1002), false
		}
		payload := slices.Clone(raw[head:min(uint64(len(raw)), uint64(head)+n)])
		for i := range payload {
			payload[i] ^= raw[head-4+i%4]
		}
		whole := uint64(len(payload)) == n
		raw = raw[head+len(payload):]
		if control {
			if !whole {
				return words, true
			}
			switch code {
			case ws.OpPing:
				words = append(words, word(ws.OpPong, payload))
			case ws.OpClose:
				return fail(closeAnswer(payload)), false
			}
			continue
		}
		if op == 0 {
			op, message, spent = code, nil, 0
		}
		if n == 0 && !fin {
			spent++
		}
		if n > fuzzLimit || spent+int(n) > fuzzLimit {
			return fail(1009), false
		}
		spent += int(n)
		message = append(message, payload...)
		end := whole && fin
		if op == ws.OpText && (end && !utf8.Valid(message) || offending(string(message)) >= 0) {
			return fail(1007), false
		}
		if !whole {
			return words, true
		}
		if end {
			words = append(words, word(op, message))
			op = 0
		}
	}
}

func closeAnswer(payload []byte) int {
	if len(payload) == 0 {
		return 1005
	}
	if len(payload) == 1 {
		return 1002
	}
	code := int(payload[0])<<8 | int(payload[1])
	switch {
	case code < 1000, code >= 1004 && code <= 1006, code >= 1015 && code < 3000, code > 4999:
		return 1002
	case !utf8.Valid(payload[2:]):
		return 1007
	}
	return code
}

// randomStream is a client's: mostly in order, each kind of fault now and then.
func randomStream(r *rand.Rand) (raw []byte) {
	texts := []string{"", "a", "κόσμε", "\xce", "\xba", "\xe2\x82", "\xac", "\xff", "\U00010000", repeated("é", 70), repeated("x", 150)}
	open := false
	for range r.IntN(12) {
		f := ws.NewFrame(ws.OpCode(1+r.IntN(2)), r.IntN(3) > 0, []byte(texts[r.IntN(len(texts))]))
		if open {
			f.Header.OpCode = ws.OpContinuation
		}
		odd := r.IntN(40)
		switch {
		case odd < 6:
			f = ws.NewFrame(ws.OpCode(9+r.IntN(2)), true, f.Payload[:min(len(f.Payload), 125)])
		case odd == 6:
			f = ws.NewCloseFrame(append(binary.BigEndian.AppendUint16(nil, uint16(r.IntN(6000))), f.Payload[:min(len(f.Payload), 100)]...))
		case odd == 7:
			f.Header.Rsv = byte(r.IntN(8))
		case odd == 8:
			f.Header.OpCode = ws.OpCode(r.IntN(16))
		case odd == 9:
			f.Payload = make([]byte, r.IntN(2*fuzzLimit))
			f.Header.Length = int64(len(f.Payload))
		}
		if f.Header.OpCode < 8 {
			open = !f.Header.Fin
		}
		bytes := []byte(masked(f))
		if odd == 10 {
			bytes[r.IntN(min(len(bytes), 8))] ^= 1 << r.IntN(8)
		}
		raw = append(raw, bytes...)
	}
	return raw
}

// echoInBuffers is an echo server that reads into buffers of all sizes, and uses them for something
// else in between.
func echoInBuffers(ctx context.Context, c *upgrade.Conn) error {
	for i := 0; ; i++ {
		buf := make([]byte, []int{0, 10, 150, 300, 5000, 10_000}[i%6])
		typ, p, err := c.Read(ctx, buf)
		if err != nil {
			return err
		}
		if err := c.Write(ctx, typ, p); err != nil {
			return err
		}
		clobber(buf)
	}
}

// FuzzMessages wants the same messages, pongs and close code as wanted says, however the stream is cut.
func FuzzMessages(f *testing.F) {
	for i := range uint64(150) {
		f.Add(randomStream(rand.New(rand.NewPCG(i, 1))), i)
	}
	for _, raw := range []string{"\x81\x01a", "\x88\x80mask", "\x82\xff\xff\xff\xff\xff\xff\xff\xff\xffmask",
		"\x82\xff\x00\x00\x00\x00\x00\x00\x00\x05maskhello", "\x01\x80mask" + repeated("\x00\x80mask", fuzzLimit+1)} {
		f.Add([]byte(raw), uint64(1))
	}
	up := &upgrade.Upgrader{MaxMessageBytes: fuzzLimit, LingerTimeout: 5 * time.Second}
	addr := newServer(f, up.Handler(run(echoInBuffers)))
	f.Fuzz(func(t *testing.T, raw []byte, seed uint64) {
		if len(raw) > 16<<10 {
			return
		}
		want, more := wanted(raw)
		c, res := handshake(t, addr)
		wantStatus(t, res, 101)
		go func() {
			r := rand.New(rand.NewPCG(seed, 2))
			for left := raw; len(left) > 0; {
				n := min(len(left), 1+r.IntN(1<<r.IntN(10)))
				if _, err := c.Write(left[:n]); err != nil {
					return
				}
				left = left[n:]
			}
			if more {
				c.Conn.(interface{ CloseWrite() error }).CloseWrite()
			}
		}()
		var got []string
		for {
			frame, err := readFrame(c.in)
			if err != nil {
				break
			}
			if got = append(got, word(frame.Header.OpCode, frame.Payload)); frame.Header.OpCode == ws.OpClose {
				code := 1005
				if len(frame.Payload) >= 2 {
					code = int(binary.BigEndian.Uint16(frame.Payload))
				}
				got[len(got)-1] = fmt.Sprintf("close %d", code)
				break
			}
		}
		c.Conn.Close()
		if !slices.Equal(got, want) {
			t.Errorf("sent %.200x\n got %.300q\nwant %.300q", raw, got, want)
		}
	})
}
