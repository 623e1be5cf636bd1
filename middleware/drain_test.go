package middleware_test

import (
	"net/http"
	"strings"
	"sync"
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
			drain := func() int { return down.Drain(up, tc.within) }
			if tc.tags != nil {
				drain = func() int { return down.DrainTag(up, tc.within, tc.tags[0]) }
			}
			if n := drain(); n != tc.ended {
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

// Who may stay during maintenance stays: admitted before it, during it, and while it began.
func TestDrainSparesTheBypass(t *testing.T) {
	for _, within := range []time.Duration{0, 300 * time.Millisecond} {
		up, down := &upgrade.Upgrader{}, &middleware.Switch{}
		admins := policy.Func(func(r *http.Request) policy.Verdict {
			if r.Header.Get("User") == "admin" {
				return policy.Allow()
			}
			return policy.Verdict{}
		})
		entered, drained := make(chan struct{}), make(chan struct{})
		slow := policy.Func(func(r *http.Request) policy.Verdict {
			if r.Header.Get("Slow") != "" {
				entered <- struct{}{}
				<-drained
			}
			return policy.Allow()
		})
		addr := live(t, middleware.For(up).Maintenance(down, admins)(up.Use(slow)(up.Handler(run(echo)))))
		before, user := dial(t, addr, "User", "admin"), dial(t, addr, "User", "alice")
		before.say("hello", "hello")
		user.say("hello", "hello")
		type arrival struct{ admin, user *peer }
		arrived := make(chan arrival, 1)
		go func() {
			var a arrival
			var both sync.WaitGroup
			both.Go(func() { a.admin = dial(t, addr, "User", "admin", "Slow", "1") })
			both.Go(func() { a.user = dial(t, addr, "User", "bob", "Slow", "1") })
			both.Wait()
			arrived <- a
		}()
		<-entered
		<-entered // both have passed Maintenance, which is off, and have no connection yet
		if n := down.Drain(up, within); n != 1 {
			t.Errorf("Drain says %d, want 1", n)
		}
		close(drained)
		meanwhile := <-arrived
		for name, p := range map[string]*peer{"alice": user, "bob": meanwhile.user} {
			if code, reason := p.closed(); code != 4503 || !strings.HasPrefix(reason, "maintenance;do=backoff") {
				t.Errorf("%s: closed with %d %q", name, code, reason)
			}
		}
		during := dial(t, addr, "User", "admin")
		for _, p := range []*peer{before, meanwhile.admin, during} {
			p.say("still here", "still here")
			p.leave()
		}
		wantEmpty(t, up)
	}
}
