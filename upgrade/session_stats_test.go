package upgrade_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

// Asking an Upgrader that is not mounted yet fixes nothing: its fields can still be set.
func TestStatsBeforeMounting(t *testing.T) {
	up := &upgrade.Upgrader{}
	if s := up.Stats(); s.Live != 0 || s.Lingering != 0 || s.Seats != 0 || s.Settled != nil || s.Ended != nil {
		t.Errorf("got %+v", s)
	}
	told := newRecorder()
	up.Observer = told
	_, res := handshake(t, newServer(t, up.Use(always(policy.Reject(4403, "no")))(forbidden(t))))
	wantStatus(t, res, 403)
	if e := told.Next(t); e.Verdict.Slug() != "no" || len(up.Stats().Settled) != 1 {
		t.Errorf("told %+v, %+v", e, up.Stats())
	}
}

func TestStats(t *testing.T) {
	up := &upgrade.Upgrader{LingerTimeout: time.Hour}
	addr := newServer(t, up.Handler(run(echoAll)))
	denied := newServer(t, up.Use(always(expired))(forbidden(t)))
	hidden := newServer(t, up.Use(always(policy.Reject(4999, "own")))(forbidden(t)))

	var live []*client
	for range 3 {
		live = append(live, connect(t, addr))
	}
	refused := connect(t, denied)
	refused.wantClose(4401, expiredText)
	_, res := handshake(t, hidden)
	wantStatus(t, res, 403)
	_, res = handshake(t, addr, "Origin: http://evil.test")
	wantStatus(t, res, 403)

	s := up.Stats()
	if s.Live != 3 || s.Lingering != 1 {
		t.Errorf("%d live, %d lingering, want 3 and 1", s.Live, s.Lingering)
	}
	refused.bye()
	live[0].leave(1000)
	live[1].leave(4321)
	live[2].vanish()
	wantEmpty(t, up)
	if err := up.Shutdown(t.Context()); err != nil { // which waits until the last one is counted
		t.Fatal(err)
	}
	wantSettled := []upgrade.SettledCount{
		{Code: 0, Outcome: upgrade.Admitted, Count: 3},
		{Code: codes.Unauthorized, Outcome: upgrade.Closed, Count: 1},
		{Code: codes.Forbidden, Outcome: upgrade.Answered, Count: 1},
		{Code: 4999, Outcome: upgrade.Answered, Count: 1},
	}
	eventually(t, "the refusals are counted, behind their answers", func() bool {
		s = up.Stats()
		return len(s.Settled) >= len(wantSettled)
	})
	if !slices.Equal(s.Settled, wantSettled) {
		t.Errorf("settled %+v,\nwant %+v", s.Settled, wantSettled)
	}
	wantEnded := []upgrade.EndedCount{
		{CloseCode: 1000, By: upgrade.ByClient, Count: 1},
		{CloseCode: 1006, By: upgrade.ByNetwork, Count: 1},
		{CloseCode: 4000, By: upgrade.ByClient, Count: 1},
	}
	if !slices.Equal(s.Ended, wantEnded) {
		t.Errorf("ended %+v,\nwant %+v", s.Ended, wantEnded)
	}
}

// However many codes clients think of, the rows stay few: one for each code below 3000 that may be
// sent, and one for a thousand.
func TestStatsAreBounded(t *testing.T) {
	t.Parallel()
	const bound = 16
	up := &upgrade.Upgrader{}
	sessions := map[string]upgrade.Session{
		"messages": listen,
		"raw":      func(_ context.Context, c *upgrade.Conn) error { _, err := readFrame(c.NetConn()); return err },
	}
	for name, s := range sessions {
		addr := newServer(t, up.Handler(run(s)))
		for code := 0; code < 1<<16; code += 331 {
			c := connect(t, addr)
			c.send(masked(ws.NewCloseFrame([]byte{byte(code >> 8), byte(code)})))
			c.closed()
			c.wantEnd()
		}
		wantEmpty(t, up)
		if rows := up.Stats().Ended; len(rows) > bound {
			t.Errorf("%s: %d rows: %+v", name, len(rows), rows)
		}
	}
}
