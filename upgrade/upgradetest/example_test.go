package upgradetest_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

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
	return policy.Allow().WithTag("user", "alice")
}

// A policy decides and writes nothing: it is called. What clients get to know of a chain, a browser and
// everybody else, Judge shows.
func TestMembers(t *testing.T) {
	events := upgradetest.NewRecorder()
	up := &upgrade.Upgrader{Observer: events}
	chain := up.Use(policy.Named("members", policy.Func(members)))(up.Handler(upgradetest.Run(upgradetest.Echo)))

	browser, plain := upgradetest.Judge(t, chain, "/rooms/1", "User", "mallory")
	browser.WantClose(t, 4403, "not_a_member;do=stop")
	plain.WantStatus(t, 403, "not_a_member")
	if e := events.Next(t); e.Policy != "members" || e.Outcome != upgrade.Closed {
		t.Errorf("the Observer was told of %+v", e)
	}

	browser, _ = upgradetest.Judge(t, chain, "/rooms/1", "User", "alice")
	browser.WantAdmitted(t)
}

// greet is a session under test.
func greet(ctx context.Context, c *upgrade.Conn) error {
	_, name, err := c.Read(ctx, nil)
	if err != nil {
		return err
	}
	if len(name) == 0 {
		return policy.Close(codes.BadRequest, "no_name")
	}
	return c.Write(ctx, upgrade.Text, fmt.Append(nil, "hello, ", string(name)))
}

// A session meets a client.
func TestGreet(t *testing.T) {
	up := &upgrade.Upgrader{}
	alice := upgradetest.Open(t, up.Handler(upgradetest.Run(greet)), "/ws")
	alice.Say("alice", "hello, alice")
	alice.WantClose(1000, "")
	alice.Bye()

	nobody := upgradetest.Open(t, up.Handler(upgradetest.Run(greet)), "/ws")
	nobody.SendText("")
	nobody.WantClose(4400, "no_name;do=stop")
	nobody.Bye()

	gone := upgradetest.Open(t, up.Handler(upgradetest.Run(greet)), "/ws")
	gone.Close() // without a close frame, as a laptop that was shut
	upgradetest.WantEmpty(t, up)
}

// Time is the test's own: an hour takes no time.
func TestTokenThatExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up := &upgrade.Upgrader{}
		token := policy.Func(func(*http.Request) policy.Verdict {
			return policy.Allow().WithExpiry(policy.Expiry{At: time.Now().Add(time.Hour), Owner: "token"})
		})
		c := upgradetest.Open(t, up.Use(token)(up.Handler(upgradetest.Run(upgradetest.Echo))), "/ws")
		begin := time.Now()
		c.WantClose(4401, "token_expired;do=refresh")
		if after := time.Since(begin); after < time.Hour || after > time.Hour+time.Second {
			t.Errorf("closed after %v", after)
		}
	})
}
