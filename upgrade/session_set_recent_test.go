package upgrade_test

import (
	"net/http"
	"testing"

	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

// An End that came while a handshake was under way holds for it as for a connection: all its tags
// count, whichever it is remembered by, and an End of all.
func TestEndsSinceTheHandshakeBegan(t *testing.T) {
	room := func(name string) policy.Tag { return policy.Tag{Key: "room", Value: name} }
	for _, tc := range []struct {
		name string
		end  func(*upgrade.Upgrader)
		want bool
	}{
		{"both tags", func(up *upgrade.Upgrader) { up.End(banned, 0, user("alice"), room("1")) }, true},
		{"in another order", func(up *upgrade.Upgrader) { up.End(banned, 0, room("1"), user("alice")) }, true},
		{"one of them another's", func(up *upgrade.Upgrader) { up.End(banned, 0, user("alice"), room("2")) }, false},
		{"and the other one", func(up *upgrade.Upgrader) { up.End(banned, 0, user("bob"), room("1")) }, false},
		{"spared", func(up *upgrade.Upgrader) { up.EndExcept(banned, 0, room("1"), user("alice")) }, false},
		{"all", func(up *upgrade.Upgrader) { up.EndAll(banned, 0) }, true},
		{"all but others", func(up *upgrade.Upgrader) { up.EndAllExcept(banned, 0, user("bob")) }, true},
		{"the tag without a name", func(up *upgrade.Upgrader) { up.End(banned, 0, policy.Tag{}) }, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			up := &upgrade.Upgrader{}
			ends := policy.Func(func(r *http.Request) policy.Verdict {
				if r.URL.Query().Get("user") == "alice" {
					tc.end(up)
				}
				return policy.Allow()
			})
			addr := newServer(t, tagged(up)(up.Use(ends)(up.Handler(run(echoAll)))))
			other := connect(t, addr, at("user=bob&room=2")) // whose room is rarer than alice's
			one := connect(t, addr, at("user=carol&room=1"))
			c := connect(t, addr, at("user=alice&room=1"))
			if tc.want {
				c.wantClose(4403, bannedText)
				c.bye()
			} else {
				c.say("not meant")
				c.leave(1000)
			}
			for _, c := range []*client{other, one} {
				c.Close()
			}
			wantEmpty(t, up)
		})
	}
}
