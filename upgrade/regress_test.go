package upgrade_test

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

// Who reads by wsutil writes as well, the answers to pings: they go between another goroutine's frames.
func TestRawReaderAnswersBetweenFrames(t *testing.T) {
	const n = 500
	c := admit(t, &upgrade.Upgrader{}, func(_ context.Context, c *upgrade.Conn) error {
		go func() {
			for conn := c.NetConn(); wsutil.WriteServerText(conn, []byte("tick")) == nil; {
			}
		}()
		_, _, err := wsutil.ReadClientData(c.NetConn())
		return err
	})
	go c.send(strings.Repeat(masked(ws.NewPingFrame([]byte("!"))), n))
	for pongs := 0; pongs < n; {
		switch f := c.frame(); {
		case f.Header.OpCode == ws.OpPong && string(f.Payload) == "!":
			pongs++
		case f.Header.OpCode != ws.OpText || string(f.Payload) != "tick":
			t.Fatalf("frame %v %q after %d pongs", f.Header, f.Payload, pongs)
		}
	}
}

// One handle shared against the rule spoils frames, and nothing else: the process goes on, and so
// do other connections.
func TestSharedRawHandle(t *testing.T) {
	up := &upgrade.Upgrader{}
	c := admit(t, up, func(_ context.Context, c *upgrade.Conn) error {
		conn := c.NetConn()
		go func() {
			for wsutil.WriteServerText(conn, []byte("tick")) == nil {
			}
		}()
		_, _, err := wsutil.ReadClientData(conn)
		return err
	})
	pings := strings.Repeat(masked(ws.NewPingFrame([]byte("!"))), 100)
	go func() {
		for range 50 {
			c.Write([]byte(pings))
		}
		c.Close()
	}()
	for {
		if _, err := c.Read(make([]byte, 4096)); err != nil {
			break
		}
	}
	wantEmpty(t, up)
}

type nilError struct{ inner error }

func (e *nilError) Error() string { return e.inner.Error() }
func (e *nilError) Unwrap() error { return e.inner }

// An error's methods are the user's, and those of a nil pointer panic.
func TestTypedNilErrors(t *testing.T) {
	events := newRecorder()
	up := &upgrade.Upgrader{Observer: events}
	var none *nilError
	c := admit(t, up, func(context.Context, *upgrade.Conn) error { panic(none) })
	c.wantClose(1011, "internal_error;do=backoff")
	c.bye()
	wantEmpty(t, up)

	refused, res := handshake(t, newServer(t, up.Handler(func(*http.Request) (upgrade.Session, error) { return nil, none })))
	wantStatus(t, res, 101)
	refused.wantClose(4500, "internal_error;do=backoff")
	refused.bye()
}

// A close frame of the session's own ends its context as any other does.
func TestRawCloseEndsTheContext(t *testing.T) {
	cause := make(chan error, 1)
	c := admit(t, &upgrade.Upgrader{}, func(ctx context.Context, c *upgrade.Conn) error {
		go func() { <-ctx.Done(); cause <- context.Cause(ctx) }()
		return ws.WriteFrame(c.NetConn(), ws.NewCloseFrame(ws.NewCloseFrameBody(1000, "")))
	})
	c.wantClose(1000, "")
	c.bye()
	if err := receive(t, cause); !errors.Is(err, upgrade.ErrClosed) {
		t.Errorf("cause %v", err)
	}
}

// A policy that stands in a chain twice brings its expiry twice: both are its owner's.
func TestExtendMovesAllOfAnOwner(t *testing.T) {
	synctest.Test(t, testExtendMovesAllOfAnOwner)
}

func testExtendMovesAllOfAnOwner(t *testing.T) {
	brings := policy.Func(func(*http.Request) policy.Verdict {
		return policy.Allow().WithExpiry(policy.Expiry{At: time.Now().Add(300 * time.Millisecond), Owner: "o", Subject: "s"})
	})
	up := &upgrade.Upgrader{}
	chain := func(extended chan<- error) http.Handler {
		return wrap(up.Handler(run(func(ctx context.Context, c *upgrade.Conn) error {
			if extended != nil {
				extended <- c.Extend(policy.Expiry{Owner: "o", Subject: "s"})
			}
			return echoAll(ctx, c)
		})), up.Use(brings), up.Use(brings))
	}
	extended := make(chan error, 1)
	lives := connectInMemory(t, chain(extended))
	if err := receive(t, extended); err != nil {
		t.Fatal("Extend:", err)
	}
	expires := connectInMemory(t, chain(nil)) // admitted later: when it has expired, the first would have as well
	expires.wantClose(4401, expiredText)
	expires.bye()
	lives.say("hello")
	lives.leave(1000)
}

// A slowClose is a connection whose Close takes its time, as that of TLS may.
type slowClose struct {
	net.Conn
	closing, goOn chan struct{}
	once          sync.Once
}

func (c *slowClose) Close() error {
	c.once.Do(func() { close(c.closing) })
	<-c.goOn
	return c.Conn.Close()
}

// One connection that is slow to close holds up itself alone.
func TestSlowCloseHoldsUpNobody(t *testing.T) {
	slow := &slowClose{closing: make(chan struct{}), goOn: make(chan struct{})}
	up := &upgrade.Upgrader{}
	c, res := handshake(t, newServer(t, hijacker(func(w http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error) {
		conn, buf, err := w.(http.Hijacker).Hijack()
		slow.Conn = conn
		return slow, buf, err
	})(up.Handler(run(echoAll)))))
	wantStatus(t, res, 101)
	c.send(masked(ws.NewCloseFrame(ws.NewCloseFrameBody(1000, ""))))
	receive(t, slow.closing)
	done := make(chan struct{})
	go func() {
		defer close(done)
		up.EndAll(expired, time.Minute)
		up.Stats()
	}()
	receive(t, done)
	close(slow.goOn)
	wantEmpty(t, up)
}

// Reads by NetConn and writes by Write are not to be mixed; who does must not take the process along.
func TestMixedUse(t *testing.T) {
	result := make(chan error, 1)
	c := admit(t, &upgrade.Upgrader{}, func(ctx context.Context, c *upgrade.Conn) error {
		w, err := c.Writer(ctx, upgrade.Text)
		if err != nil {
			return err
		}
		w.Write([]byte("half"))
		go func() { result <- c.Write(context.Background(), upgrade.Text, []byte("other")) }()
		_, err = readFrame(c.NetConn())
		return err
	})
	c.frame()
	c.send(masked(ws.NewCloseFrame(ws.NewCloseFrameBody(1000, ""))))
	if err := receive(t, result); err == nil {
		t.Error("a message was written into another")
	}
	c.wantClose(1000, "")
	c.wantEOF()
}
