package upgradetest_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
	"github.com/wsverdict/wsverdict/upgrade/upgradetest"
)

// Over a socket it is as in memory.
func TestServeAndDial(t *testing.T) {
	up := &upgrade.Upgrader{}
	addr := upgradetest.Serve(t, up.Use(policy.Func(members))(up.Handler(upgradetest.Run(upgradetest.Echo))))

	refused := upgradetest.Dial(t, addr, "/ws", "User", "mallory")
	refused.WantClose(4403, "not_a_member;do=stop")
	refused.Bye()

	admitted := upgradetest.Dial(t, addr, "/ws", "User", "alice")
	admitted.Say("hello", "hello")
	admitted.Leave(1000)
	upgradetest.WantEmpty(t, up)

	header := upgradetest.Header("User", "mallory")
	header.Del("Upgrade")
	if c := upgradetest.Handshake(t, addr, "/ws", header); c.Response.StatusCode != http.StatusForbidden {
		t.Errorf("got %s, want 403", c.Response.Status)
	}
}

// Each form that an answer can have.
func TestJudge(t *testing.T) {
	up := &upgrade.Upgrader{Subprotocols: []string{"chat"}}
	run := func(s upgrade.Session) http.Handler { return up.Handler(upgradetest.Run(s)) }
	chain := up.Use(policy.Func(members))(run(upgradetest.Echo))
	at := func(fields ...string) []string { return fields }
	for _, tc := range []struct {
		name   string
		h      http.Handler
		fields []string

		status int // of the browser
		code   uint16
		reason string
		plain  int
		slug   string // of every status
	}{
		{name: "admitted", h: chain, fields: at("User", "alice"), status: 101, plain: 426, slug: "upgrade_required"},
		{name: "refused", h: chain, status: 101, code: 4403, reason: "not_a_member;do=stop", plain: 403, slug: "not_a_member"},
		{name: "hidden", h: up.Use(policy.Hidden(policy.Func(members)))(chain), status: 403, plain: 403, slug: "not_a_member"},
		{name: "a foreign page", h: chain, fields: at("Origin", "https://evil.example"), status: 403, plain: 403, slug: "not_a_member"},
		{name: "no page", h: chain, fields: at("Origin", ""), status: 101, code: 4403, reason: "not_a_member;do=stop", plain: 403, slug: "not_a_member"},
		{name: "an ordinary route", h: http.NotFoundHandler(), status: 404, plain: 404},
		{name: "closes at once", h: run(func(context.Context, *upgrade.Conn) error { return nil }), status: 101, plain: 426, slug: "upgrade_required"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			browser, plain := upgradetest.Judge(t, tc.h, "/ws", tc.fields...)
			plain.WantStatus(t, tc.plain, tc.slug)
			switch {
			case tc.status != 101:
				browser.WantStatus(t, tc.status, tc.slug)
			case tc.code != 0:
				browser.WantClose(t, tc.code, tc.reason)
			default:
				browser.WantAdmitted(t)
			}
		})
	}
	upgradetest.WantEmpty(t, up)
}

// What an answer is not, a test is told.
func TestAnswersThatAreNotWanted(t *testing.T) {
	up := &upgrade.Upgrader{}
	browser, plain := upgradetest.Judge(t, up.Use(policy.Func(members))(up.Handler(upgradetest.Run(upgradetest.Echo))), "/ws")
	failed := &failing{TB: t}
	browser.WantAdmitted(failed)
	browser.WantClose(failed, 4401, "not_a_member;do=stop")
	browser.WantClose(failed, 4403, "not_a_member")
	browser.WantStatus(failed, 403, "not_a_member")
	plain.WantStatus(failed, 403, "")
	plain.WantStatus(failed, 401, "not_a_member")
	plain.WantClose(failed, 0, "")
	if failed.n != 7 {
		t.Errorf("%d of 7 failed", failed.n)
	}
}

type failing struct {
	testing.TB
	n int
}

func (f *failing) Errorf(string, ...any) { f.n++ }

func TestPair(t *testing.T) {
	events := upgradetest.NewRecorder()
	up := &upgrade.Upgrader{Observer: events}
	conn, client := upgradetest.Pair(t, func(h upgrade.Handler) http.Handler { return up.Use(policy.Func(members))(up.Handler(h)) }, "User", "alice")
	if got := conn.Tags(); !slices.Equal(got, []policy.Tag{{Key: "user", Value: "alice"}}) {
		t.Errorf("tags %v", got)
	}
	client.SendText("hello")
	if _, p, err := conn.Read(t.Context(), nil); string(p) != "hello" || err != nil {
		t.Errorf("read %q, %v", p, err)
	}
	if err := conn.Write(t.Context(), upgrade.Text, []byte("bye")); err != nil {
		t.Error(err)
	}
	if f := client.Frame(); string(f.Payload) != "bye" {
		t.Errorf("got %q", f.Payload)
	}
	conn.Close(policy.Close(codes.Forbidden, "banned"))
	client.WantClose(4403, "banned;do=stop")
	client.Bye()
	if e := events.Until(t, upgrade.Ended); e.CloseCode != 4403 {
		t.Errorf("ended with %d", e.CloseCode)
	}
}

// A test that leaves its connections to the end of the test leaves nothing behind; a bubble would not
// end.
func TestPairIsClosedAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up := &upgrade.Upgrader{}
		upgradetest.Pair(t, up.Handler)
		upgradetest.Judge(t, up.Handler(upgradetest.Run(upgradetest.Echo)), "/ws")
		upgradetest.Open(t, up.Handler(upgradetest.Run(upgradetest.Echo)), "/ws")
	})
}

// A client that falls silent counts as gone, after the ping and its time.
func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up := &upgrade.Upgrader{PingInterval: 20 * time.Second, PingTimeout: 15 * time.Second}
		begin := time.Now()
		upgradetest.Open(t, up.Handler(upgradetest.Run(upgradetest.Echo)), "/ws")
		upgradetest.Eventually(t, "the silent client is gone", func() bool { return up.Stats().Live == 0 })
		if after := time.Since(begin); after < 35*time.Second || after > 40*time.Second {
			t.Errorf("gone after %v", after)
		}
	})
}

// A client that reads nothing fills what lies between, as a socket's buffers do.
func TestClientThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up := &upgrade.Upgrader{WriteTimeout: 3 * time.Second}
		conn, client := upgradetest.Pair(t, up.Handler)
		begin := time.Now()
		big := bytes.Repeat([]byte("x"), 48<<10)
		if err := conn.Write(t.Context(), upgrade.Text, big); err != nil {
			t.Error(err)
		}
		if err := conn.Write(t.Context(), upgrade.Text, big); err == nil || time.Since(begin) != 3*time.Second {
			t.Errorf("got %v after %v", err, time.Since(begin))
		}
		if f := client.Frame(); len(f.Payload) != len(big) {
			t.Errorf("a frame of %d bytes", len(f.Payload))
		}
	})
}

// A connection in memory is as a socket in what the library asks of one.
func TestMemoryConnection(t *testing.T) {
	up := &upgrade.Upgrader{}
	client := upgradetest.Open(t, up.Handler(upgradetest.Run(upgradetest.Echo)), "/ws")
	long := strings.Repeat("0123456789", 4000) // read in pieces, and nothing is lost between
	client.Say(long, long)
	client.SetReadDeadline(time.Now().Add(time.Millisecond))
	if _, err := client.Conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("past a deadline: %v", err)
	}
	client.SetReadDeadline(time.Time{})
	client.Close()
	if _, err := client.Conn.Read(make([]byte, 1)); err == nil || err == io.EOF {
		t.Errorf("closed here: %v", err)
	}
	upgradetest.WantEmpty(t, up)
}
