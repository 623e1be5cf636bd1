package upgrade_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/wsverdict/wsverdict/upgrade"
)

// echoAll is an echo server with whole messages, in one buffer.
func echoAll(ctx context.Context, c *upgrade.Conn) error {
	var buf []byte
	for {
		typ, p, err := c.Read(ctx, buf)
		if err != nil {
			return err
		}
		if err := c.Write(ctx, typ, p); err != nil {
			return err
		}
		buf = p
	}
}

func TestMessages(t *testing.T) {
	c := admit(t, &upgrade.Upgrader{}, echoAll)
	for _, n := range []int{0, 1, 125, 126, 127, 128, 150, 160, 4090, 4096, 5000, 65535, 65536, 100_000, 1 << 20} {
		for _, op := range []ws.OpCode{ws.OpText, ws.OpBinary} {
			want := bytes.Repeat([]byte("x"), n)
			go c.send(masked(ws.NewFrame(op, true, want)))
			if f := c.frame(); f.Header.OpCode != op || !bytes.Equal(f.Payload, want) {
				t.Fatalf("%d bytes: got opcode %d, %d bytes", n, f.Header.OpCode, len(f.Payload))
			}
		}
	}
	c.send(masked(ws.NewFrame(ws.OpText, false, []byte("frag"))) + masked(ws.NewPingFrame([]byte("ping"))) +
		masked(ws.NewFrame(ws.OpContinuation, false, nil)) + masked(ws.NewFrame(ws.OpContinuation, true, []byte("ment"))))
	if f := c.frame(); f.Header.OpCode != ws.OpPong || string(f.Payload) != "ping" {
		t.Errorf("got %+v", f)
	}
	if f := c.frame(); string(f.Payload) != "fragment" {
		t.Errorf("got %q", f.Payload)
	}
	c.send(masked(ws.NewCloseFrame(ws.NewCloseFrameBody(4321, "bye"))))
	c.wantClose(4321, "")
	c.wantEOF()
}

func TestStreams(t *testing.T) {
	c := admit(t, &upgrade.Upgrader{}, echoStream)
	for _, n := range []int{0, 1, 100_000} {
		want := strings.Repeat("stream", n)
		go c.send(masked(ws.NewTextFrame([]byte(want))))
		var got []byte
		for {
			f := c.frame()
			got = append(got, f.Payload...)
			if f.Header.Fin {
				break
			}
		}
		if string(got) != want {
			t.Errorf("got %d bytes, want %d", len(got), len(want))
		}
	}
}

func TestFaults(t *testing.T) {
	for name, tc := range map[string]struct {
		bytes string
		code  uint16
	}{
		"unmasked":        {"\x81\x01a", 1002},
		"reserved bit":    {"\xc1\x80\x00\x00\x00\x00", 1002},
		"reserved opcode": {"\x83\x80\x00\x00\x00\x00", 1002},
		"too big":         {"\x82\xff\x00\x00\x00\x00\x00\x10\x00\x01\x00\x00\x00\x00", 1009},
		"negative length": {"\x82\xff\xff\x00\x00\x00\x00\x10\x00\x01\x00\x00\x00\x00", 1002},
		"bad text":        {masked(ws.NewTextFrame([]byte("a\xff"))), 1007},
		"half a text":     {masked(ws.NewTextFrame([]byte("a\xe2\x82"))), 1007},
		"bad text early":  {masked(ws.NewTextFrame([]byte("a\xf4\x90zzzz")))[:10], 1007},
		"bad close code":  {masked(ws.NewCloseFrame([]byte{3, 236})), 1002},
		"half a code":     {masked(ws.NewCloseFrame([]byte{3})), 1002},
	} {
		t.Run(name, func(t *testing.T) {
			result := make(chan error, 1)
			up := &upgrade.Upgrader{}
			if name == "too big" { // the rest of it is waited for
				up.LingerTimeout = 50 * time.Millisecond
			}
			c := admit(t, up, func(ctx context.Context, c *upgrade.Conn) error {
				_, _, err := c.Read(ctx, nil)
				result <- err
				return err
			})
			c.send(tc.bytes)
			f := c.frame()
			if code, _ := ws.ParseCloseFrameData(f.Payload); uint16(code) != tc.code {
				t.Errorf("closed with %d, want %d", code, tc.code)
			}
			var fault *upgrade.ProtocolError
			if err := receive(t, result); !errors.As(err, &fault) || fault.Code != tc.code {
				t.Errorf("got %v", err)
			}
			if strings.HasPrefix(name, "bad close") || name == "half a code" || name == "too big" {
				c.wantEOF()
				return
			}
			rest := ""
			if name == "bad text early" {
				rest = masked(ws.NewTextFrame([]byte("a\xf4\x90zzzz")))[10:]
			}
			c.send(rest + closing) // in one write: the wait is short
			c.wantEOF()
		})
	}
}

// Who asks after the connection was closed is told by whom, and why: the first end counts, not the
// client's answer to it.
func TestErrorsAfterTheEnd(t *testing.T) {
	for name, tc := range map[string]struct {
		end  func(*client, *upgrade.Conn)
		want func(error) bool
	}{
		"Close": {
			end:  func(_ *client, conn *upgrade.Conn) { conn.Close(expired) },
			want: func(err error) bool { return errors.Is(err, upgrade.ErrClosed) && errors.Is(err, expired) },
		},
		"the client": {
			end: func(c *client, _ *upgrade.Conn) { c.send(closeFrame(4000, "gone")) },
			want: func(err error) bool {
				var e *upgrade.CloseError
				return errors.As(err, &e) && *e == upgrade.CloseError{Code: 4000, Reason: "gone"} && !errors.Is(err, upgrade.ErrClosed)
			},
		},
		"a fault": {
			end: func(c *client, _ *upgrade.Conn) { c.send("\x81\x01a") },
			want: func(err error) bool {
				var e *upgrade.ProtocolError
				return errors.As(err, &e) && e.Code == 1002
			},
		},
		"the network": {
			end:  func(c *client, _ *upgrade.Conn) { c.Conn.Close() },
			want: func(err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			conns, done := make(chan *upgrade.Conn, 1), make(chan struct{})
			c := admit(t, &upgrade.Upgrader{}, func(ctx context.Context, c *upgrade.Conn) error {
				defer close(done)
				w, err := c.Writer(ctx, upgrade.Text)
				if err != nil {
					t.Error(err)
				}
				queued := make(chan error, 1)
				go func() { queued <- c.Write(ctx, upgrade.Text, []byte("never")) }()
				conns <- c
				listen(ctx, c)
				_, streamed := w.Write([]byte("x"))
				_, _, read := c.Read(context.Background(), nil)
				derived, cancel := context.WithCancel(ctx)
				defer cancel()
				_, _, readDerived := c.Read(derived, nil)
				_, writerDerived := c.Writer(derived, upgrade.Text)
				_, _, reader := c.Reader(ctx)
				_, writer := c.Writer(ctx, upgrade.Text)
				for call, err := range map[string]error{"Read": read, "Reader": reader, "Writer": writer, "a stream's Write": streamed,
					"a stream's Close": w.Close(), "Write": c.Write(ctx, upgrade.Text, nil), "the context": context.Cause(ctx),
					"Write that waited for the stream": receive(t, queued), "Read, derived": readDerived, "Writer, derived": writerDerived} {
					if !tc.want(err) {
						t.Errorf("%s: %v", call, err)
					}
				}
				return nil
			})
			tc.end(c, receive(t, conns))
			if name == "Close" {
				c.wantClose(4401, expiredText)
				c.bye()
			}
			receive(t, done)
		})
	}
}

// A limit holds from the next message on: not for the one that has begun.
func TestSetReadLimit(t *testing.T) {
	var fault *upgrade.ProtocolError
	result := make(chan error, 1)
	c := admit(t, &upgrade.Upgrader{MaxMessageBytes: 10}, func(ctx context.Context, c *upgrade.Conn) error {
		_, r, err := c.Reader(ctx)
		if err != nil {
			return err
		}
		c.SetReadLimit(5)
		if p, err := io.ReadAll(r); err != nil || len(p) != 10 {
			t.Errorf("got %q, %v", p, err)
		}
		if _, p, err := c.Read(ctx, nil); err != nil || len(p) != 5 {
			t.Errorf("got %q, %v", p, err)
		}
		_, _, err = c.Read(ctx, nil)
		result <- err
		return err
	})
	c.send(fragments(ws.OpText, "12345", "67890") + textFrame("12345") + textFrame("123456"))
	c.wantClose(1009, "message_too_big;do=stop")
	if err := receive(t, result); !errors.As(err, &fault) || fault.Code != 1009 {
		t.Errorf("got %v", err)
	}
	c.bye()
	for _, n := range []int64{0, -1} {
		panicOf(t, func() { new(upgrade.Conn).SetReadLimit(n) })
	}
}

// CloseRead is for sessions that only write.
func TestCloseRead(t *testing.T) {
	for name, tc := range map[string]struct {
		send string
		want []string
	}{
		"pings, then close":    {pingFrame("1") + pongFrame("") + pingFrame("2") + closing1000, []string{"pong 1", "pong 2", "close 1000 "}},
		"a message":            {textFrame("unwanted"), []string{"close 1008 unexpected_message;do=stop"}},
		"a message's begin":    {part(ws.OpBinary, false, "unwanted"), []string{"close 1008 unexpected_message;do=stop"}},
		"an empty message":     {pingFrame("1") + textFrame(""), []string{"pong 1", "close 1008 unexpected_message;do=stop"}},
		"against the protocol": {"\x81\x01a", []string{"close 1002 protocol_error;do=stop"}},
	} {
		t.Run(name, func(t *testing.T) {
			x := exchange{name: name, send: tc.send, want: tc.want, closes: name == "pings, then close"}
			x.run(admit(t, &upgrade.Upgrader{LingerTimeout: time.Hour}, func(ctx context.Context, c *upgrade.Conn) error {
				c.CloseRead()
				<-ctx.Done()
				return context.Cause(ctx)
			}), 0)
		})
	}
}
