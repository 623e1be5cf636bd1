package upgrade_test

import (
	"context"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/wsverdict/wsverdict/upgrade"
)

// The tests named Conformance follow the categories of the RFC 6455 suites in use: 1 framing, 2
// pings and pongs, 3 reserved bits, 4 opcodes, 5 fragmentation, 6 UTF-8, 7 closing, 9 limits, 10
// odds and ends. Each runs against all sessions that conform in it, in several cuts, and each wants
// everything that comes back, to the end of the stream.

// echoStream is an echo server that never has a message whole.
func echoStream(ctx context.Context, c *upgrade.Conn) error {
	for {
		typ, r, err := c.Reader(ctx)
		if err != nil {
			return err
		}
		w, err := c.Writer(ctx, typ)
		if err != nil {
			return err
		}
		if _, err := io.Copy(w, r); err != nil {
			return err
		}
		if err := w.Close(); err != nil {
			return err
		}
	}
}

// echoRaw is an echo server in wsutil. What wsutil finds wrong it tells the session, which fails.
func echoRaw(_ context.Context, c *upgrade.Conn) error {
	for {
		p, op, err := wsutil.ReadClientData(c.NetConn())
		if err != nil {
			return err
		}
		if err := wsutil.WriteServerMessage(c.NetConn(), op, p); err != nil {
			return err
		}
	}
}

var echoes = []struct {
	name    string
	session upgrade.Session
	raw     bool
}{
	{name: "whole", session: echoAll},
	{name: "stream", session: echoStream},
	{name: "raw", session: echoRaw, raw: true},
}

// cuts are the sizes of the pieces in which a client's bytes arrive; 0 is all at once.
var cuts = []int{0, 1, 7}

// An exchange is what a client sends and everything that it gets back for it.
type exchange struct {
	name   string
	send   string
	want   []string // in the words of a transcript
	closes bool     // send has the client's close frame
	once   bool     // goes in one piece only: what is behind a close frame may meet a closed socket
	noRaw  bool     // wsutil does otherwise
}

// served is an exchange that the client closes.
func served(name, send string, want ...string) exchange {
	return exchange{name: name, send: send + closing1000, want: append(want, "close 1000 "), closes: true}
}

// failed is one that the server closes, for what the client sent.
func failed(name, send string, code int, want ...string) exchange {
	reason := map[int]string{1002: "protocol_error;do=stop", 1007: "invalid_utf8;do=stop", 1009: "message_too_big;do=stop"}[code]
	return exchange{name: name, send: send, want: append(want, fmt.Sprintf("close %d %s", code, reason)), noRaw: true}
}

var closing1000 = closeFrame(1000, "")

func closeFrame(code int, reason string) string {
	return masked(ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusCode(code), reason)))
}

// part is a frame of a fragmented message.
func part(op ws.OpCode, fin bool, p string) string { return masked(ws.NewFrame(op, fin, []byte(p))) }

func textFrame(p string) string   { return part(ws.OpText, true, p) }
func binaryFrame(p string) string { return part(ws.OpBinary, true, p) }
func pingFrame(p string) string   { return part(ws.OpPing, true, p) }
func pongFrame(p string) string   { return part(ws.OpPong, true, p) }

// word is a message or a control frame in a transcript.
func word(op ws.OpCode, p []byte) string {
	if op == ws.OpClose {
		code, reason := 1005, ""
		if len(p) >= 2 {
			code, reason = int(p[0])<<8|int(p[1]), string(p[2:])
		}
		return fmt.Sprintf("close %d %s", code, reason)
	}
	name := map[ws.OpCode]string{ws.OpText: "text", ws.OpBinary: "binary", ws.OpPing: "ping", ws.OpPong: "pong"}[op]
	if len(p) > 200 {
		return fmt.Sprintf("%s of %d bytes, %08x", name, len(p), crc32.ChecksumIEEE(p))
	}
	return name + " " + string(p)
}

// transcript reads what the server sends, as strictly as a client may, until a clean end of the
// stream. onClose is called when the close frame is there.
func (c *client) transcript(onClose func()) (words []string) {
	c.t.Helper()
	var message []byte
	var op ws.OpCode
	for closed := false; ; {
		f, err := readFrame(c.in)
		if err == io.EOF && closed {
			return words
		}
		if err != nil {
			c.t.Fatalf("after %.300q: %v", words, err)
		}
		state := ws.StateClientSide
		if op != 0 {
			state |= ws.StateFragmented
		}
		if err := ws.CheckHeader(f.Header, state); err != nil || closed {
			c.t.Fatalf("after %.300q: got frame %+v, %v", words, f.Header, err)
		}
		if f.Header.OpCode.IsControl() {
			words = append(words, word(f.Header.OpCode, f.Payload))
			if f.Header.OpCode == ws.OpClose {
				closed = true
				onClose()
			}
			continue
		}
		if op == 0 {
			op = f.Header.OpCode
		}
		message = append(message, f.Payload...)
		if f.Header.Fin {
			if op == ws.OpText && !utf8.Valid(message) {
				c.t.Errorf("got invalid text %.100q", message)
			}
			words = append(words, word(op, message))
			op, message = 0, message[:0]
		}
	}
}

// deliver sends in pieces of a size. What a server does not want any more is not an error.
func (c *client) deliver(raw string, cut int) {
	if cut == 0 {
		cut = max(1, len(raw))
	}
	for piece := range slices.Chunk([]byte(raw), cut) {
		if _, err := c.Write(piece); err != nil {
			return
		}
	}
}

// conform runs exchanges against all echo servers.
func conform(t *testing.T, exchanges []exchange, cuts []int) {
	for _, server := range echoes {
		t.Run(server.name, func(t *testing.T) {
			// With a linger without end, whatever is not ended at once is not ended in time.
			up := &upgrade.Upgrader{LingerTimeout: time.Hour, MaxMessageBytes: 16 << 20, LingerBytes: 64 << 20, WriteTimeout: patience}
			addr := newServer(t, up.Handler(run(server.session)))
			for _, x := range exchanges {
				for _, cut := range cuts {
					if server.raw && x.noRaw || x.once && cut != 0 {
						continue
					}
					c, res := handshake(t, addr)
					wantStatus(t, res, 101)
					x.run(c, cut)
					c.Conn.Close()
				}
			}
		})
	}
}

func (x *exchange) run(c *client, cut int) {
	c.t.Helper()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		c.deliver(x.send, cut)
	}()
	got := c.transcript(func() {
		<-sent
		if !x.closes {
			c.deliver(closing1000, 0)
		}
	})
	<-sent
	if !slices.Equal(got, x.want) {
		c.t.Errorf("%s, in pieces of %d:\n got %.300q\nwant %.300q", x.name, cut, got, x.want)
	}
}

func repeated(s string, n int) string { return strings.Repeat(s, n) }
