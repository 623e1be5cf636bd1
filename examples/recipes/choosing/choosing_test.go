// Package choosing runs the code of docs/choosing.md.
package choosing

import (
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/middleware"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
	"github.com/wsverdict/wsverdict/upgrade/upgradetest"
)

// refuse has a chain of up say v to a browser and to everybody else.
func refuse(t *testing.T, up *upgrade.Upgrader, v policy.Verdict, fields ...string) (browser, plain upgradetest.Answer) {
	t.Helper()
	deny := policy.Func(func(*http.Request) policy.Verdict { return v })
	return upgradetest.Judge(t, up.Use(deny)(up.Handler(upgradetest.Run(upgradetest.Echo))), "/ws", fields...)
}

func TestForms(t *testing.T) {
	told := policy.Close(codes.Forbidden, "not_a_member")       // the script reads 4403 not_a_member;do=stop
	hidden := policy.Reject(codes.Forbidden, "network_blocked") // the script reads 1006; the network sees 403

	browser, _ := refuse(t, &upgrade.Upgrader{}, told)
	browser.WantClose(t, 4403, "not_a_member;do=stop")
	browser, _ = refuse(t, &upgrade.Upgrader{}, hidden)
	browser.WantStatus(t, 403, "network_blocked")
}

func TestActions(t *testing.T) {
	ended := policy.Close(codes.Unauthorized, "session_ended").WithAction(codes.Stop) // not refresh: signing in again is for people
	moving := policy.Close(codes.ServiceUnavailable, "shard_moving").WithAction(codes.Reconnect).WithAfter(2 * time.Second)
	trial := policy.Close(4100, "trial_over").WithStatus(http.StatusPaymentRequired) // a code of your own

	for _, tc := range []struct {
		verdict policy.Verdict
		code    uint16
		reason  string
		status  int
		slug    string
	}{
		{ended, 4401, "session_ended;do=stop", 401, "session_ended"},
		{moving, 4503, "shard_moving;do=reconnect;after=2", 503, "shard_moving"},
		{trial, 4100, "trial_over;do=stop", 402, "trial_over"},
	} {
		browser, plain := refuse(t, &upgrade.Upgrader{}, tc.verdict)
		browser.WantClose(t, tc.code, tc.reason)
		plain.WantStatus(t, tc.status, tc.slug)
	}
}

func TestNoBrowsers(t *testing.T) {
	up := &upgrade.Upgrader{StatusWithoutOrigin: true}

	client, _ := refuse(t, up, policy.Close(codes.Forbidden, "not_a_member"), "Origin", "")
	client.WantStatus(t, 403, "not_a_member")
}

// A client that comes back at once is told a wait, and in the end a status, before its token is looked at.
func TestClientsThatDoNotListen(t *testing.T) {
	synctest.Test(t, testClientsThatDoNotListen)
}

func testClientsThatDoNotListen(t *testing.T) {
	metrics := upgradetest.NewRecorder()
	users := policy.Func(func(*http.Request) policy.Verdict { return policy.Close(codes.Unauthorized, "token_missing") })

	brake := middleware.MustBrake(middleware.BrakeConfig{})
	up := &upgrade.Upgrader{Observer: upgrade.Observers{brake, metrics}}

	ws, r := middleware.For(up), chi.NewRouter()
	r.Use(ws.Origin("https://app.example.com"), ws.Use(brake), ws.Use(users))

	r.Handle("/ws", up.Handler(upgradetest.Run(upgradetest.Echo)))
	var told []string
	for range 16 {
		browser, _ := upgradetest.Judge(t, r, "/ws", "Origin", "https://app.example.com")
		told = append(told, browser.Reason+browser.Problem.Slug)
		synctest.Wait() // the brake is told after the client
	}
	want := []string{"token_missing;do=refresh", "slow_down;do=backoff;after=4", "slow_down;do=backoff;after=8", "slow_down;do=backoff;after=16", "slow_down"}
	if told = slices.Compact(told); !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
}
