package upgradetest_test

import (
	"net/http"
	"testing"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
	"github.com/wsverdict/wsverdict/upgrade/upgradetest"
)

// members is a policy under test.
func members(r *http.Request) policy.Verdict {
	if r.Header.Get("User") != "alice" {
		return policy.Close(codes.Forbidden, "not_a_member")
	}
	return policy.Allow()
}

// What a client gets to know, over a real socket.
func TestRefusedAndAdmitted(t *testing.T) {
	up := &upgrade.Upgrader{}
	addr := upgradetest.Serve(t, up.Use(policy.Func(members))(up.Handler(upgradetest.Run(upgradetest.Echo))))

	refused := upgradetest.Dial(t, addr, "User", "mallory")
	refused.WantClose(4403, "not_a_member;do=stop")
	refused.Bye()

	admitted := upgradetest.Dial(t, addr, "User", "alice")
	admitted.Say("hello", "hello")
	admitted.Leave(1000)
	upgradetest.WantEmpty(t, up)
}

// A client that is no WebSocket's gets a status.
func TestAnsweredWithAStatus(t *testing.T) {
	up := &upgrade.Upgrader{}
	addr := upgradetest.Serve(t, up.Use(policy.Func(members))(up.Handler(upgradetest.Run(upgradetest.Echo))))
	header := upgradetest.Header("User", "mallory")
	header.Del("Upgrade")
	c := upgradetest.Handshake(t, addr, "/ws", header)
	if c.Response.StatusCode != http.StatusForbidden {
		t.Errorf("got %s, want 403", c.Response.Status)
	}
}
