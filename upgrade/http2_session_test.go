package upgrade_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
	"github.com/wsverdict/wsverdict/upgrade/upgradetest"
)

// admitHTTP2 connects a client to a session, and tells when the handler has returned.
func admitHTTP2(t testing.TB, up *upgrade.Upgrader, s upgrade.Session) (*upgradetest.Client, <-chan struct{}) {
	t.Helper()
	returned := make(chan struct{}, 1)
	return dialHTTP2(t, newHTTP2Server(t, wrap(up.Handler(run(s)), returns(returned)))), returned
}

func TestHTTP2Echo(t *testing.T) {
	raw := func(_ context.Context, c *upgrade.Conn) error {
		for {
			text, op, err := wsutil.ReadClientData(c.NetConn())
			if err != nil {
				return err
			}
			if err := wsutil.WriteServerMessage(c.NetConn(), op, text); err != nil {
				return err
			}
		}
	}
	for name, s := range map[string]upgrade.Session{"messages": upgradetest.Echo, "raw": raw} {
		t.Run(name, func(t *testing.T) {
			up := &upgrade.Upgrader{MaxMessageBytes: 4 << 20, WriteTimeout: patience}
			c, returned := admitHTTP2(t, up, s)
			for _, size := range []int{0, 1, 125, 126, 4091, 4092, 4093, 4096, 16 << 10, 70_000, 3 << 20} {
				sent := bytes.Repeat([]byte{byte(size)}, size)
				c.Send(ws.NewBinaryFrame(bytes.Clone(sent)))
				if f := c.Frame(); f.Header.OpCode != ws.OpBinary || !bytes.Equal(f.Payload, sent) {
					t.Fatalf("%d bytes: got %+v", size, f.Header)
				}
			}
			c.Leave(4000)
			receive(t, returned)
			wantEmpty(t, up)
		})
	}
}

// TestHTTP2Endings: every way in which a connection ends ends the stream, and the handler.
func TestHTTP2Endings(t *testing.T) {
	quiet(t)
	const soon = 200 * time.Millisecond
	for name, tc := range map[string]struct {
		session upgrade.Session
		link    policy.Verdict
		end     func(up *upgrade.Upgrader) error
		code    uint16
	}{
		"returns":                    {idle, policy.Allow(), nil, 1000},
		"fails":                      {func(context.Context, *upgrade.Conn) error { return io.ErrShortBuffer }, policy.Allow(), nil, 1011},
		"panics":                     {func(context.Context, *upgrade.Conn) error { panic("at the session") }, policy.Allow(), nil, 1011},
		"says a verdict":             {closeExpired, policy.Allow(), nil, 4401},
		"expires":                    {listen, policy.Allow().WithExpiry(policy.Expiry{At: time.Now().Add(soon), Owner: "o"}), nil, 4401},
		"expires, and does not read": {wait, policy.Allow().WithExpiry(policy.Expiry{At: time.Now().Add(soon), Owner: "o"}), nil, 4401},
		"is banned": {listen, policy.Allow().WithTag("user", "eve"), func(up *upgrade.Upgrader) error {
			up.End(expired, 0, policy.Tag{Key: "user", Value: "eve"})
			return nil
		}, 4401},
		"is shut down": {listen, policy.Allow(), func(up *upgrade.Upgrader) error {
			return up.Shutdown(deadlineOf(context.Background(), 0))
		}, 4503},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			events := &ledger{}
			up := &upgrade.Upgrader{Observer: events, LingerTimeout: time.Hour}
			returned, ended := make(chan struct{}, 1), make(chan error, 1)
			h := wrap(up.Handler(run(tc.session)), returns(returned), up.Use(always(tc.link)))
			c := dialHTTP2(t, newHTTP2Server(t, h))
			if tc.end != nil {
				events.await(t, upgrade.Started)
				go func() { ended <- tc.end(up) }()
			} else {
				ended <- nil
			}
			if code, _ := c.ReadClose(); code != tc.code {
				t.Errorf("closed with %d, want %d", code, tc.code)
			}
			select {
			case <-returned:
				t.Error("the handler did not wait for the client's close frame")
			default:
			}
			c.Bye()
			receive(t, returned)
			wantEmpty(t, up)
			if err := receive(t, ended); err != nil {
				t.Error(err)
			}
			if e := events.await(t, upgrade.Ended); e.CloseCode != tc.code || e.ProtoMajor != 2 {
				t.Errorf("got %+v", e)
			}
		})
	}
}

// TestHTTP2Gone: what a session is told of a client that is gone without a close frame.
func TestHTTP2Gone(t *testing.T) {
	isReset := func(code uint32) func(error) bool {
		return func(err error) bool {
			var reset *upgrade.StreamError
			return errors.As(err, &reset) && reset.Code == code
		}
	}
	for name, tc := range map[string]struct {
		gone func(c *upgradetest.Client)
		is   func(error) bool
	}{
		"reset":      {func(c *upgradetest.Client) { c.Response.Body.Close() }, isReset(8)},
		"END_STREAM": {func(c *upgradetest.Client) { c.Conn.(interface{ CloseWrite() error }).CloseWrite() }, func(err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) }},
		"connection closed": {func(c *upgradetest.Client) { c.Close() }, func(err error) bool {
			var lost *net.OpError
			return errors.As(err, &lost) && lost.Net == "http2"
		}},
	} {
		t.Run(name, func(t *testing.T) {
			events := &ledger{}
			up := &upgrade.Upgrader{Observer: events}
			causes := make(chan error, 2)
			c, returned := admitHTTP2(t, up, func(ctx context.Context, c *upgrade.Conn) error {
				err := listen(ctx, c)
				causes <- err
				causes <- context.Cause(ctx)
				return err
			})
			events.await(t, upgrade.Started) // who is gone before that has no session
			tc.gone(c)
			for range 2 {
				if err := receive(t, causes); !tc.is(err) {
					t.Errorf("got %T %v", err, err)
				}
			}
			receive(t, returned)
			if e := events.await(t, upgrade.Ended); !tc.is(e.Err) || e.Session.ClosedBy != upgrade.ByNetwork || e.CloseCode != 1006 {
				t.Errorf("got %+v", e)
			}
			wantEmpty(t, up)
		})
	}
}

// TestHTTP2GoneToAWriter: a session that only writes is told as much.
func TestHTTP2GoneToAWriter(t *testing.T) {
	for range 20 { // whoever hears of it first
		events := &ledger{}
		up := &upgrade.Upgrader{Observer: events}
		c, returned := admitHTTP2(t, up, func(ctx context.Context, c *upgrade.Conn) error {
			for {
				if err := c.Write(ctx, upgrade.Text, []byte("news")); err != nil {
					return err
				}
			}
		})
		c.Frame()
		c.Response.Body.Close()
		receive(t, returned)
		var reset *upgrade.StreamError
		if e := events.await(t, upgrade.Ended); !errors.As(e.Err, &reset) || reset.Code != 8 {
			t.Fatalf("ended with %T %v", e.Err, e.Err)
		}
	}
}

// TestHTTP2ReadDeadlines: a read that was given up leaves the stream as it was.
func TestHTTP2ReadDeadlines(t *testing.T) {
	for name, s := range map[string]upgrade.Session{"polls": polling, "polls raw": pollingRaw} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			up := impatient()
			up.PingTimeout = patience / 4 // after a late pong, the next ping comes behind it
			c, returned := admitHTTP2(t, up, s)
			for range 3 {
				f := c.Frame()
				if f.Header.OpCode != ws.OpPing {
					t.Fatalf("got %+v", f.Header)
				}
				c.Send(ws.NewPongFrame(f.Payload))
			}
			c.Close()
			receive(t, returned)
			wantEmpty(t, up)

			up = impatient()
			c, returned = admitHTTP2(t, up, s)
			c.Frame() // and no pong: it is given up
			receive(t, returned)
			wantEmpty(t, up)
		})
	}
}

// TestHTTP2SlowReader: a client that takes nothing is cut off after WriteTimeout, whatever a session
// does; an end that comes meanwhile does not wait longer.
func TestHTTP2SlowReader(t *testing.T) {
	for name, end := range map[string]bool{"alone": false, "ended": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			events := &ledger{}
			up := &upgrade.Upgrader{WriteTimeout: 2 * time.Second, LingerTimeout: 300 * time.Millisecond, Observer: events}
			if end { // which comes first, however slow the machine
				up.WriteTimeout = time.Hour
			}
			failed := make(chan error, 1)
			_, returned := admitHTTP2(t, up, func(ctx context.Context, c *upgrade.Conn) error {
				if end {
					time.AfterFunc(100*time.Millisecond, func() { c.Close(expired) })
				}
				for {
					if err := c.Write(ctx, upgrade.Binary, make([]byte, 64<<10)); err != nil {
						failed <- err
						return err
					}
				}
			})
			err := receive(t, failed)
			if want := os.ErrDeadlineExceeded; !end && !errors.Is(err, want) {
				t.Errorf("got %v, want %v", err, want)
			}
			if want := upgrade.ErrClosed; end && !errors.Is(err, want) {
				t.Errorf("got %v, want %v", err, want)
			}
			receive(t, returned)
			wantEmpty(t, up)
		})
	}
}

// TestHTTP2ServerTimeouts: those of the server are a request's, and end no session.
func TestHTTP2ServerTimeouts(t *testing.T) {
	t.Parallel()
	const timeout = 2 * time.Second // for the handshake of TLS too
	up := &upgrade.Upgrader{}
	srv := httptest.NewUnstartedServer(up.Handler(run(upgradetest.Echo)))
	srv.EnableHTTP2 = true
	srv.Config.ReadTimeout, srv.Config.WriteTimeout, srv.Config.IdleTimeout = timeout, timeout, timeout
	srv.StartTLS()
	t.Cleanup(srv.Close)
	c := dialHTTP2(t, srv)
	timer := time.NewTimer(timeout * 3 / 2) // what is waited for is that nothing happens
	defer timer.Stop()
	<-timer.C
	c.Say("hello", "hello")
	c.Leave(1000)
}

// TestHTTP2Context: a session's context has nothing of the request's, which ends with the stream.
func TestHTTP2Context(t *testing.T) {
	type key struct{}
	outer := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx, cancel := context.WithCancel(context.WithValue(r.Context(), key{}, "outer"))
			cancel()
			next.ServeHTTP(w, r.WithContext(ctx))
		})
	}
	kept := make(chan *http.Request, 1)
	seen := make(chan any, 3)
	up := &upgrade.Upgrader{}
	h := up.Handler(func(r *http.Request) (upgrade.Session, error) {
		kept <- r
		return func(ctx context.Context, c *upgrade.Conn) error {
			seen <- ctx.Value(key{})
			seen <- ctx.Err()
			seen <- (<-kept).Context().Value(key{})
			return nil
		}, nil
	})
	c := dialHTTP2(t, newHTTP2Server(t, outer(h)))
	for range 3 {
		if v := receive(t, seen); v != nil {
			t.Errorf("got %v", v)
		}
	}
	c.WantClose(1000, "")
	c.Bye()
}
