package upgrade_test

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/wsverdict/wsverdict/upgrade"
)

// What a session leaves unread of a message is discarded, and its reader is of no more use.
func TestReaderLeftUnread(t *testing.T) {
	result := make(chan error, 1)
	c := admit(t, &upgrade.Upgrader{}, func(ctx context.Context, c *upgrade.Conn) error {
		var old []io.Reader
		for _, read := range []int{0, 1, 150, 160, 5000} {
			_, r, err := c.Reader(ctx)
			if err != nil {
				return err
			}
			if n, err := io.ReadFull(r, make([]byte, read)); err != nil {
				t.Errorf("got %d bytes, %v", n, err)
			}
			if n, err := r.Read(nil); n != 0 || err != nil {
				t.Errorf("a read of nothing: %d, %v", n, err)
			}
			old = append(old, r)
		}
		typ, p, err := c.Read(ctx, nil)
		if err != nil || typ != upgrade.Text || string(p) != "last" {
			t.Errorf("got %d %q, %v", typ, p, err)
		}
		for _, r := range old {
			if n, err := r.Read(make([]byte, 10)); n != 0 || err == nil || err == io.EOF {
				t.Errorf("a stale reader: %d, %v", n, err)
			}
		}
		_, r, err := c.Reader(ctx)
		if err != nil {
			return err
		}
		for range 2 {
			if n, err := r.Read(make([]byte, 10)); n != 0 || err != io.EOF {
				t.Errorf("an empty message: %d, %v", n, err)
			}
		}
		_, _, err = c.Reader(ctx)
		result <- err
		return err
	})
	long := repeated("x", 3000)
	for range 5 {
		c.send(fragments(ws.OpBinary, long, "", long) + pingFrame("behind"))
	}
	c.send(textFrame("last") + textFrame("") + closing1000)
	c.wantWords("pong behind", "pong behind", "pong behind", "pong behind", "pong behind", "close 1000 ")
	c.wantEOF()
	var e *upgrade.CloseError
	if err := receive(t, result); !errors.As(err, &e) {
		t.Errorf("got %v", err)
	}
}

// Text that is left unread is checked all the same.
func TestUnreadTextIsChecked(t *testing.T) {
	c := admit(t, &upgrade.Upgrader{}, func(ctx context.Context, c *upgrade.Conn) error {
		for {
			if _, _, err := c.Reader(ctx); err != nil {
				return err
			}
		}
	})
	c.send(textFrame("\xff"))
	c.wantClose(1007, "invalid_utf8;do=stop")
	c.bye()
}

// wantWords reads that many frames.
func (c *client) wantWords(words ...string) {
	c.t.Helper()
	for _, want := range words {
		if f := c.frame(); word(f.Header.OpCode, f.Payload) != want {
			c.t.Fatalf("got %s, want %s", word(f.Header.OpCode, f.Payload), want)
		}
	}
}

// Other messages wait for a streamed one's end; pongs do not.
func TestWriterBlocksOthers(t *testing.T) {
	c := admit(t, &upgrade.Upgrader{}, func(ctx context.Context, c *upgrade.Conn) error {
		w, err := c.Writer(ctx, upgrade.Binary)
		if err != nil {
			return err
		}
		others := make(chan error, 2)
		go func() { others <- c.Write(ctx, upgrade.Text, []byte("other")) }()
		go func() {
			w, err := c.Writer(ctx, upgrade.Text)
			if err == nil {
				_, err = io.WriteString(w, "other")
				err = errors.Join(err, w.Close())
			}
			others <- err
		}()
		for {
			_, p, err := c.Read(ctx, nil)
			if err != nil {
				return err
			}
			if len(p) == 0 {
				break
			}
			if n, err := w.Write(p); n != len(p) || err != nil {
				t.Errorf("Write: %d, %v", n, err)
			}
			if n, err := w.Write(nil); n != 0 || err != nil {
				t.Errorf("Write of nothing: %d, %v", n, err)
			}
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		if _, err := w.Write([]byte("late")); err == nil {
			t.Error("written behind Close")
		}
		if err := w.Close(); err == nil {
			t.Error("closed twice")
		}
		return errors.Join(receive(t, others), receive(t, others))
	})
	for op := ws.OpBinary; ; op = ws.OpContinuation {
		c.send(textFrame("part") + pingFrame("ping"))
		f := c.frame()
		if f.Header.OpCode != op || f.Header.Fin || string(f.Payload) != "part" {
			t.Fatalf("got %+v %q", f.Header, f.Payload)
		}
		c.wantWords("pong ping")
		if op == ws.OpContinuation {
			break
		}
	}
	c.send(textFrame(""))
	if f := c.frame(); f.Header.OpCode != ws.OpContinuation || !f.Header.Fin || len(f.Payload) != 0 {
		t.Errorf("got %+v", f)
	}
	got := ""
	for len(got) < len("otherother") {
		f := c.frame()
		got += string(f.Payload)
	}
	for f := c.frame(); f.Header.OpCode != ws.OpClose; f = c.frame() {
	}
	if got != "otherother" {
		t.Errorf("got %q", got)
	}
	c.bye()
}

// A streamed message whose context ends in the midst cannot be taken back; one that has not begun
// leaves nothing behind.
func TestWriterContext(t *testing.T) {
	for _, begun := range []bool{false, true} {
		result := make(chan error, 1)
		c := admit(t, &upgrade.Upgrader{}, func(own context.Context, c *upgrade.Conn) error {
			ctx, cancel := context.WithCancel(own)
			defer cancel()
			w, err := c.Writer(ctx, upgrade.Text)
			if err != nil {
				return err
			}
			if begun {
				io.WriteString(w, "begun")
			}
			cancel()
			if _, err := io.WriteString(w, "more"); !errors.Is(err, context.Canceled) {
				t.Errorf("Write: %v", err)
			}
			if err := w.Close(); !errors.Is(err, context.Canceled) {
				t.Errorf("Close: %v", err)
			}
			result <- c.Write(own, upgrade.Text, []byte("next"))
			return nil
		})
		if err := receive(t, result); errors.Is(err, context.Canceled) != begun {
			t.Errorf("begun: %t: the next message: %v", begun, err)
		}
		if begun {
			c.wantEnd()
			continue
		}
		c.wantWords("text next", "close 1000 ")
		c.bye()
	}
}

// A client that does not read is cut off within the timeout, whatever waits behind.
func TestSlowReaderIsCutOff(t *testing.T) {
	for name, write := range map[string]func(context.Context, *upgrade.Conn) error{
		"whole": func(ctx context.Context, c *upgrade.Conn) error {
			return c.Write(ctx, upgrade.Binary, make([]byte, 1<<20))
		},
		"stream": func(ctx context.Context, c *upgrade.Conn) error {
			w, err := c.Writer(ctx, upgrade.Binary)
			if err == nil {
				_, err = w.Write(make([]byte, 1<<20))
				err = errors.Join(err, w.Close())
			}
			return err
		},
	} {
		result := make(chan error, 2)
		c := admit(t, &upgrade.Upgrader{WriteTimeout: 200 * time.Millisecond}, func(ctx context.Context, c *upgrade.Conn) error {
			for range 2 {
				go func() {
					for {
						if err := write(ctx, c); err != nil {
							result <- err
							return
						}
					}
				}()
			}
			<-ctx.Done()
			return nil
		})
		for range 2 {
			var timeout net.Error
			if err := receive(t, result); !errors.As(err, &timeout) || !timeout.Timeout() {
				t.Errorf("%s: %v", name, err)
			}
		}
		c.wantEnd()
	}
}

// A message type is no opcode: a session cannot send a control frame as a message.
func TestMessageTypes(t *testing.T) {
	c := admit(t, &upgrade.Upgrader{}, func(ctx context.Context, c *upgrade.Conn) error {
		for _, typ := range []upgrade.MessageType{0, 3, upgrade.MessageType(ws.OpClose), upgrade.MessageType(ws.OpPing)} {
			if err := c.Write(ctx, typ, nil); err == nil {
				t.Errorf("Write took type %d", typ)
			}
			if _, err := c.Writer(ctx, typ); err == nil {
				t.Errorf("Writer took type %d", typ)
			}
		}
		return nil
	})
	c.wantClose(1000, "")
	c.bye()
}

// A client that is gone within a message has not ended it: the stream says so, and the session ends.
func TestReaderFindsTheClientGone(t *testing.T) {
	for name, size := range map[string]int{"through the buffer": 16, "past it": 64 << 10} {
		t.Run(name, func(t *testing.T) {
			up := &upgrade.Upgrader{}
			errs := make(chan error, 2)
			c := admit(t, up, func(ctx context.Context, c *upgrade.Conn) error {
				_, r, err := c.Reader(ctx)
				buf := make([]byte, size)
				for err == nil {
					_, err = r.Read(buf)
				}
				errs <- err
				_, _, err = c.Reader(ctx)
				errs <- err
				return err
			})
			c.send(frameHeader(t, ws.Header{Fin: true, OpCode: ws.OpBinary, Masked: true, Length: 64 << 10}) + "the beginning")
			c.vanish()
			for range 2 {
				if err := receive(t, errs); err == nil || err == io.EOF {
					t.Errorf("got %v, which is no broken connection", err)
				}
			}
			wantEmpty(t, up)
		})
	}
}
