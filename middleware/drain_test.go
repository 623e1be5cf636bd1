package middleware_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wsverdict/wsverdict/middleware"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

// drainable is a server with a switch, whose connections are tagged with their User field.
func drainable(t *testing.T) (up *upgrade.Upgrader, down *middleware.Switch, addr string) {
	up, down = &upgrade.Upgrader{}, &middleware.Switch{}
	tag := policy.Func(func(r *http.Request) policy.Verdict { return policy.Allow().WithTag("user", r.Header.Get("User")) })
	return up, down, live(t, middleware.For(up).Maintenance(down)(up.Use(tag)(up.Handler(run(echo)))))
}

// Maintenance alone is for newcomers.
func TestOnLeavesLiveConnectionsAlone(t *testing.T) {
	up, down, addr := drainable(t)
	p := dial(t, addr)
	p.say("hello", "hello")
	down.On()
	dial(t, addr).wantClose(4503, "maintenance;do=backoff")
	p.say("still here", "still here")
	p.leave()
	wantEmpty(t, up)
}

func TestDrain(t *testing.T) {
	t.Parallel()
	alice := policy.Tag{Key: "user", Value: "alice"}
	for _, tc := range []struct {
		name     string
		prepare  func(s *middleware.Switch)
		within   time.Duration
		tags     []policy.Tag
		ended    int
		reason   string // how it begins
		newcomer string
	}{
		{name: "all, now", ended: 2, reason: "maintenance;do=backoff", newcomer: "maintenance;do=backoff"},
		{name: "all, spread", within: 400 * time.Millisecond, ended: 2, reason: "maintenance;do=backoff;after=1", newcomer: "maintenance;do=backoff"},
		{name: "by tag", tags: []policy.Tag{alice}, ended: 1, reason: "maintenance;do=backoff", newcomer: "maintenance;do=backoff"},
		{name: "on already", prepare: (*middleware.Switch).On, ended: 2, reason: "maintenance;do=backoff", newcomer: "maintenance;do=backoff"},
		{name: "until a time", prepare: func(s *middleware.Switch) { s.Until(time.Now().Add(time.Hour)) }, ended: 2,
			reason: "maintenance;do=backoff;after=3", newcomer: "maintenance;do=backoff;after=3"}, // 3600, or a little less
		{name: "until a time that has passed", prepare: func(s *middleware.Switch) { s.Until(time.Now().Add(-time.Hour)) }, ended: 2,
			reason: "maintenance;do=backoff", newcomer: "maintenance;do=backoff"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			up, down, addr := drainable(t)
			peers := []*peer{dial(t, addr, "User", "alice"), dial(t, addr, "User", "bob")}
			for _, p := range peers {
				p.say("hello", "hello")
			}
			if tc.prepare != nil {
				tc.prepare(down)
			}
			if n := down.Drain(up, tc.within, tc.tags...); n != tc.ended {
				t.Errorf("Drain says %d, want %d", n, tc.ended)
			}
			if on, _ := down.State(); !on {
				t.Error("maintenance is off")
			}
			if code, reason := dial(t, addr).closed(); code != 4503 || !strings.HasPrefix(reason, tc.newcomer) {
				t.Errorf("a newcomer: %d %q, want 4503 %q", code, reason, tc.newcomer)
			}
			for _, p := range peers[:tc.ended] {
				if code, reason := p.closed(); code != 4503 || !strings.HasPrefix(reason, tc.reason) {
					t.Errorf("closed with %d %q, want 4503 %q", code, reason, tc.reason)
				}
			}
			for _, p := range peers[tc.ended:] {
				p.say("still here", "still here")
				p.leave()
			}
			wantEmpty(t, up)
			down.Off()
			p := dial(t, addr)
			p.say("back", "back")
			p.leave()
			wantEmpty(t, up)
		})
	}
}
