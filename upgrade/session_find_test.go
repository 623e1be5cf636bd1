package upgrade_test

import (
	"context"
	"testing"

	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

// A connection that is found can be used, tagged and ended in the loop, and another joined or gone changes nothing.
func TestConnections(t *testing.T) {
	up := &upgrade.Upgrader{}
	addr := newServer(t, tagged(up)(up.Handler(run(listen))))
	a, b, other := connect(t, addr, at("user=alice&room=1")), connect(t, addr, at("user=alice&room=2")), connect(t, addr, at("user=bob"))
	eventually(t, "all are there", func() bool {
		n := 0
		for range up.AllConnections() {
			n++
		}
		return n == 3
	})
	seen := 0
	for c := range up.Connections(user("alice")) {
		seen++
		c.Tag("user", "bob")
		c.Untag("user", "alice")
		late := connect(t, addr, at("user=alice")) // not among them
		late.vanish()
		if err := c.Write(context.Background(), upgrade.Text, []byte("found")); err != nil {
			t.Error(err)
		}
	}
	if seen != 2 {
		t.Errorf("found %d, want 2", seen)
	}
	for _, c := range []*client{a, b} {
		if f := c.frame(); string(f.Payload) != "found" {
			t.Errorf("got %q", f.Payload)
		}
	}
	seen = 0
	for c := range up.Connections(user("bob"), policy.Tag{Key: "room", Value: "1"}) {
		seen++
		c.Close(expired)
		for range up.Connections(user("bob"), policy.Tag{Key: "room", Value: "1"}) {
			t.Error("found though it is closed")
		}
	}
	if seen != 1 {
		t.Errorf("found %d, want 1", seen)
	}
	for range up.Connections(user("bob")) {
		up.EndAll(expired, 0)
		break
	}
	for _, c := range []*client{a, b, other} {
		c.wantClose(4401, expiredText)
		c.bye()
	}
	wantEmpty(t, up)
}
