package upgrade_test

import (
	"testing"

	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

// Each is told, also behind one that panics.
func TestObservers(t *testing.T) {
	quiet(t)
	first, second := newRecorder(), newRecorder()
	panics := upgrade.ObserverFunc(func(upgrade.Event) { panic("observe") })
	up := &upgrade.Upgrader{Observer: upgrade.Observers{first, panics, second}}
	_, res := handshake(t, newServer(t, up.Use(always(policy.Reject(4403, "no")))(forbidden(t))))
	wantStatus(t, res, 403)
	if a, b := first.Next(t), second.Next(t); a.Verdict.Slug() != "no" || b.Verdict.Slug() != "no" {
		t.Errorf("got %+v and %+v", a, b)
	}
	defer func() {
		if recover() == nil {
			t.Error("nobody among the Observers was no mistake")
		}
	}()
	(&upgrade.Upgrader{Observer: upgrade.Observers{first, nil}}).Handler(run(echoAll))
}
