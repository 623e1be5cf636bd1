package upgrade_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
	"github.com/wsverdict/wsverdict/upgrade/upgradetest"
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

// An End is not remembered for ever: who was judged before one that is forgotten comes again, and
// nobody else.
func TestHandshakeOutlastsWhatIsRemembered(t *testing.T) {
	for _, tc := range []struct {
		name  string
		slept time.Duration
		ends  bool // between
		want  bool // to be told to come again
	}{
		{"an End that is forgotten", 61 * time.Second, true, true},
		{"an End that is remembered", 59 * time.Second, true, false},
		{"no End", time.Hour, false, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				up := &upgrade.Upgrader{}
				slow := policy.Func(func(*http.Request) policy.Verdict {
					if tc.ends {
						up.End(banned, 0, user("mallory"))
					}
					time.Sleep(tc.slept)
					if tc.ends {
						up.End(banned, 0, user("trudy"))
					}
					return policy.Allow()
				})
				c := upgradetest.Open(t, up.Use(slow)(up.Handler(run(echoAll))), "/")
				if tc.want {
					c.WantClose(4503, "handshake_timeout;do=reconnect")
					c.Bye()
				} else {
					c.Say("in", "in")
					c.Leave(1000)
				}
			})
		})
	}
}
