package upgrade_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

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
	c := admit(t, &upgrade.Upgrader{}, func(ctx context.Context, c *upgrade.Conn) error {
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
	})
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
			c := admit(t, &upgrade.Upgrader{}, func(ctx context.Context, c *upgrade.Conn) error {
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
			if strings.HasPrefix(name, "bad close") || name == "half a code" {
				c.wantEOF()
				return
			}
			if name == "bad text early" {
				c.send(masked(ws.NewTextFrame([]byte("a\xf4\x90zzzz")))[10:])
			}
			c.bye()
		})
	}
}
