package browser

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

// A peer is another library's client, connected to a talker.
type peer interface {
	send(text bool, message []byte) error
	sendInParts(parts ...[]byte) error // one text message, a frame for each part at least
	receive() (text bool, message []byte, err error)
	ping() error                                       // and waits for the pong
	pinged() error                                     // waits for a ping of the server's
	close(code int, reason string) error               // and waits for the answer
	closed() (code int, reason string, answered error) // waits for the server's close frame, and answers it
}

var libraries = []struct {
	name string
	dial func(ctx context.Context, conn *witness, url string) (peer, error)
}{
	{"gorilla", newGorilla},
	{"coder", newCoder},
	{"gws", newGWS},
}

var full = policy.Close(codes.Conflict, "full").WithAfter(3 * time.Second)

// A talker serves sessions that do what their client's first message says, and tells how they ended.
type talker struct {
	*httptest.Server
	causes chan error
}

func newTalker(t *testing.T) *talker {
	t.Helper()
	s := &talker{causes: make(chan error, 1)}
	up := &upgrade.Upgrader{PingInterval: 100 * time.Millisecond, PingTimeout: testTime}
	s.Server = httptest.NewUnstartedServer(up.Handler(func(*http.Request) (upgrade.Session, error) {
		return func(ctx context.Context, c *upgrade.Conn) error {
			err := talk(ctx, c)
			s.causes <- err
			return err
		}, nil
	}))
	s.Config.ReadHeaderTimeout = testTime
	s.Start()
	t.Cleanup(s.Close)
	return s
}

// talk echoes, until it is told to leave.
func talk(ctx context.Context, c *upgrade.Conn) error {
	for {
		typ, message, err := c.Read(ctx, nil)
		switch {
		case err != nil:
			return err
		case string(message) == "leave":
			return nil
		case string(message) == "be full":
			return full
		case string(message) == "in parts":
			err = inParts(ctx, c)
		default:
			err = c.Write(ctx, typ, message)
		}
		if err != nil {
			return err
		}
	}
}

func inParts(ctx context.Context, c *upgrade.Conn) error {
	w, err := c.Writer(ctx, upgrade.Text)
	if err != nil {
		return err
	}
	for _, part := range parts {
		if _, err := w.Write(part); err != nil {
			return err
		}
	}
	return w.Close()
}

// parts cut a character in two: only the message is text, not each frame.
var parts = [][]byte{[]byte("first, \xc3"), []byte("\xbc"), bytes.Repeat([]byte("second "), 2000), []byte("last")}

// TestMessages has three libraries talk with Conn's messages, and close from both sides.
func TestMessages(t *testing.T) {
	for _, lib := range libraries {
		connect := func(t *testing.T) (peer, *talker, *witness) {
			t.Helper()
			ctx, cancel := context.WithTimeout(t.Context(), testTime)
			t.Cleanup(cancel)
			s := newTalker(t)
			conn, err := dialWitness(s.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { conn.Conn.Close() })
			p, err := lib.dial(ctx, conn, "ws://"+s.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			return p, s, conn
		}
		t.Run(lib.name+"/echo", func(t *testing.T) {
			p, _, _ := connect(t)
			for _, size := range []int{0, 1, 125, 126, 4 << 10, 65535, 65536, 1 << 20} {
				for _, text := range []bool{true, false} {
					message := bytes.Repeat([]byte{'x'}, size)
					check(t, p.send(text, message))
					expectMessage(t, p, text, message)
				}
			}
		})
		t.Run(lib.name+"/fragments", func(t *testing.T) {
			p, _, _ := connect(t)
			check(t, p.sendInParts(parts...))
			expectMessage(t, p, true, bytes.Join(parts, nil))
			check(t, p.send(true, []byte("in parts")))
			expectMessage(t, p, true, bytes.Join(parts, nil))
		})
		t.Run(lib.name+"/ping", func(t *testing.T) {
			p, _, _ := connect(t)
			check(t, p.ping())
			check(t, p.pinged())
			check(t, p.send(true, []byte("still here")))
			expectMessage(t, p, true, []byte("still here"))
		})
		for _, code := range []int{1000, 1001, 3000, 4321} {
			t.Run(fmt.Sprintf("%s/client closes with %d", lib.name, code), func(t *testing.T) {
				p, s, conn := connect(t)
				check(t, p.send(false, []byte("unanswered so far")))
				check(t, p.close(code, "bye"))
				var closed *upgrade.CloseError
				if err := <-s.causes; !errors.As(err, &closed) || int(closed.Code) != code || closed.Reason != "bye" {
					t.Errorf("the session read %v, want %d bye", err, code)
				}
				expectEOF(t, conn)
			})
		}
		for _, row := range []struct {
			order  string
			code   int
			reason string
		}{
			{"leave", 1000, ""},
			{"be full", 4409, "full;do=stop;after=3"},
		} {
			t.Run(fmt.Sprintf("%s/server closes with %d", lib.name, row.code), func(t *testing.T) {
				p, _, conn := connect(t)
				check(t, p.send(true, []byte(row.order)))
				code, reason, err := p.closed()
				if err != nil || code != row.code || reason != row.reason {
					t.Errorf("read %d %q (%v), want %d %q", code, reason, err, row.code, row.reason)
				}
				expectEOF(t, conn)
			})
		}
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func expectMessage(t *testing.T, p peer, text bool, want []byte) {
	t.Helper()
	gotText, got, err := p.receive()
	if err != nil || gotText != text || !bytes.Equal(got, want) {
		t.Fatalf("received %d bytes, text %t (%v), want %d, %t", len(got), gotText, err, len(want), text)
	}
}

// expectEOF expects that the server ended the stream with a FIN, after the closing handshake.
func expectEOF(t *testing.T, conn *witness) {
	t.Helper()
	conn.Close()
	if end := conn.ended(); end != io.EOF {
		t.Errorf("the stream ended with %v, want %v", end, io.EOF)
	}
}
