package fleet_test

import (
	"testing"
	"time"

	fleet "github.com/wsverdict/wsverdict/middleware/redis"
)

func TestSwitchIsSeenByAllAndByThoseThatStartLater(t *testing.T) {
	t.Parallel()
	client := newClient(t, nil, startRedis(t))
	f, g := join(t, client, fleet.Config{}), join(t, client, fleet.Config{})
	is := func(s *fleet.Switch, want bool) func() bool {
		return func() bool { on, _ := s.State(); return on == want }
	}
	must(t, f.Switch().On(ctx(t)))
	t.Log("on after", eventually(t, "on", is(g.Switch(), true)))
	if on, end := join(t, client, fleet.Config{}).Switch().State(); !on || !end.IsZero() {
		t.Errorf("a new server has %v, %v", on, end)
	}
	must(t, g.Switch().Off(ctx(t)))
	eventually(t, "off", is(f.Switch(), false))
	if on, _ := join(t, client, fleet.Config{}).Switch().State(); on {
		t.Error("a new server has it on")
	}
	until := time.Now().Add(time.Hour)
	must(t, g.Switch().Until(ctx(t), until))
	eventually(t, "on until then", is(f.Switch(), true))
	for _, member := range []*fleet.Fleet{f, join(t, client, fleet.Config{})} {
		if on, end := member.Switch().State(); !on || end.Sub(until).Abs() > 30*time.Second {
			t.Errorf("%v until %v, want %v", on, end, until)
		}
	}
	must(t, f.Switch().Until(ctx(t), time.Now().Add(-time.Second)))
	eventually(t, "a moment that has passed is off", is(g.Switch(), false))
	must(t, f.Switch().Until(ctx(t), time.Now().Add(50*time.Millisecond)))
	eventually(t, "it ends by itself", func() bool { _, end := g.Switch().State(); return !end.IsZero() && is(g.Switch(), false)() })
}

// A drain on one server ends the connections on all, and newcomers are told the same.
func TestSwitchDrains(t *testing.T) {
	t.Parallel()
	p := plan{Addrs: []string{startRedis(t).addr()}}
	servers := startServers(t, 2, p)
	peers := []*peer{dial(t, servers[0].addr, "ada"), dial(t, servers[1].addr, "bob")}
	admin := dial(t, servers[1].addr, "admin")
	servers[0].ask(t, "/drain")
	for _, p := range peers {
		p.wantClosed(t, "4503 maintenance;do=backoff")
	}
	if !admin.alive() {
		t.Error("the bypass was drained, too")
	}
	for _, s := range append(servers, startServer(t, p)) {
		dial(t, s.addr, "carol").wantClosed(t, "4503 maintenance;do=backoff")
	}
}
