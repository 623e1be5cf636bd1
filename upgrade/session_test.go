package upgrade_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

// admit connects a client to a session.
func admit(t testing.TB, up *upgrade.Upgrader, s upgrade.Session) *client {
	t.Helper()
	c, res := handshake(t, newServer(t, up.Handler(run(s))))
	wantStatus(t, res, 101)
	return c
}

func TestSessionRunsAfterServeHTTP(t *testing.T) {
	returned := make(chan struct{})
	up := &upgrade.Upgrader{}
	h := up.Handler(run(func(context.Context, *upgrade.Conn) error {
		receive(t, returned)
		return nil
	}))
	addr := newServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r)
		close(returned)
	}))
	c, res := handshake(t, addr)
	wantStatus(t, res, 101)
	c.wantClose(1000, "")
	c.bye()
}

// What came in the packet of the handshake is the session's.
func TestEarlyBytes(t *testing.T) {
	long := strings.Repeat("early", 400)
	up := &upgrade.Upgrader{}
	for way, connect := range ways(t, up.Handler(run(echo))) {
		t.Run(way, func(t *testing.T) {
			c := connect(t)
			whole := masked(ws.NewTextFrame([]byte(long)))
			c.send(request() + whole[:1000])
			wantStatus(t, c.response(), 101)
			c.send(whole[1000:])
			if f := c.frame(); string(f.Payload) != long {
				t.Fatalf("got %d bytes back", len(f.Payload))
			}
			c.wantClose(1000, "")
			c.bye()
		})
	}
}

func TestSessionResult(t *testing.T) {
	for _, tc := range []struct {
		name    string
		result  error
		profile codes.Profile
		code    uint16
		reason  string
	}{
		{name: "nil", code: 1000},
		{name: "verdict", result: expired, code: 4401, reason: expiredText},
		{name: "wrapped verdict", result: fmt.Errorf("room: %w", expired.WithAfter(time.Second)), code: 4401, reason: expiredText + ";after=1"},
		{name: "joined verdict", result: errors.Join(io.EOF, expired), code: 4401, reason: expiredText},
		{name: "reject", result: policy.Reject(codes.Forbidden, "banned"), code: 4403, reason: "banned;do=stop"},
		{name: "zero verdict", result: policy.Verdict{}, code: 4500, reason: "undecided;do=backoff"},
		{name: "profile", result: expired, profile: codes.IANA, code: 3000, reason: expiredText},
		{name: "profile that panics", result: expired, profile: func(codes.Denial) uint16 { panic("profile") }, code: 4401, reason: expiredText},
		{name: "error", result: errSecret, code: 1011, reason: "internal_error;do=backoff"},
		{name: "allow as an error", result: policy.Allow(), code: 1011, reason: "internal_error;do=backoff"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := admit(t, &upgrade.Upgrader{Profile: tc.profile}, func(context.Context, *upgrade.Conn) error { return tc.result })
			c.wantClose(tc.code, tc.reason)
			c.bye()
		})
	}
}

// A panic ends its own session, with 1011, and nothing else.
func TestSessionPanics(t *testing.T) {
	t.Setenv("GODEBUG", "panicnil=1") // a panic with nil is one too
	events := newRecorder()
	up := &upgrade.Upgrader{Observer: events}
	other := admit(t, up, echo)
	for _, value := range []any{"boom", http.ErrAbortHandler, error(nil)} {
		c := admit(t, up, func(context.Context, *upgrade.Conn) error { panic(value) })
		c.wantClose(1011, "internal_error;do=backoff")
		c.bye()
		e := events.Until(t, upgrade.Panicked)
		var p *upgrade.PanicError
		if e.Policy != "session" || !errors.As(e.Err, &p) || !strings.Contains(string(p.Stack), "session_test.go") {
			t.Fatalf("got %+v", e)
		}
		if value != nil && p.Value != value {
			t.Errorf("got value %v", p.Value)
		}
	}
	other.wantEcho("still here")
	other.bye()
}

// If the client closed first its own code comes back, whoever reads it.
func TestClientsCodeIsEchoed(t *testing.T) {
	readFrame := func(_ context.Context, c *upgrade.Conn) error {
		_, err := readFrame(c.NetConn())
		return err
	}
	wsutilRead := func(_ context.Context, c *upgrade.Conn) error {
		_, _, err := wsutil.ReadClientData(c.NetConn()) // answers the close frame itself
		return err
	}
	for _, tc := range []struct {
		name    string
		session upgrade.Session
		body    []byte
		want    string
	}{
		{"code", readFrame, ws.NewCloseFrameBody(1001, ""), "\x88\x02\x03\xe9"},
		{"code and reason", readFrame, ws.NewCloseFrameBody(4000, "bye"), "\x88\x02\x0f\xa0"},
		{"longest reason", readFrame, ws.NewCloseFrameBody(4000, strings.Repeat("x", 123)), "\x88\x02\x0f\xa0"},
		{"none", readFrame, nil, "\x88\x00"},
		{"one that may not be sent", readFrame, ws.NewCloseFrameBody(1006, ""), "\x88\x02\x03\xea"},
		{"wsutil", wsutilRead, ws.NewCloseFrameBody(4000, "bye"), "\x88\x02\x0f\xa0"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := admit(t, &upgrade.Upgrader{LingerTimeout: time.Hour}, tc.session)
			c.send(masked(ws.NewCloseFrame(tc.body)))
			got, err := io.ReadAll(c.in)
			if err != nil || string(got) != tc.want {
				t.Errorf("got %x, %v, want %x", got, err, tc.want)
			}
		})
	}
}
