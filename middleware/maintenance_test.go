package middleware_test

import (
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/middleware"
	"github.com/wsverdict/wsverdict/policy"
)

func TestSwitch(t *testing.T) { synctest.Test(t, testSwitch) }

func testSwitch(t *testing.T) {
	s := &middleware.Switch{}
	m := middleware.NewMaintenance(s)
	checkVerdict(t, m.Judge(newRequest(t)), 0, "")
	s.On()
	checkVerdict(t, m.Judge(newRequest(t)), 503, "maintenance;do=backoff")
	s.Until(time.Now().Add(time.Hour))
	checkVerdict(t, m.Judge(newRequest(t)), 503, "maintenance;do=backoff;after=3600")
	if on, end := s.State(); !on || time.Until(end) > time.Hour {
		t.Errorf("state %v %v", on, end)
	}
	for name, end := range map[string]time.Time{"passed": time.Now().Add(-time.Second), "zero": {}} {
		s.On()
		s.Until(end)
		if v := m.Judge(newRequest(t)); !v.Allowed() {
			t.Errorf("%s: %v", name, v)
		}
	}
	for _, far := range []int{2262, 3000, 9999} {
		s.Off()
		s.Until(time.Date(far, 6, 1, 0, 0, 0, 0, time.UTC))
		if on, _ := s.State(); !on {
			t.Errorf("until %d is off", far)
		}
	}
	s.On()
	s.Off()
	checkVerdict(t, m.Judge(newRequest(t)), 0, "")
}

func TestMaintenanceBypass(t *testing.T) {
	users := middleware.MustJWT(testConfig())
	admins := policy.Func(func(r *http.Request) policy.Verdict {
		if c, ok := users.Claims(r); ok && c.Role == "admin" {
			return policy.Allow().WithValue(bypassKey{}, c.Role)
		}
		return policy.Reject(codes.Forbidden, "not_an_admin")
	})
	s := &middleware.Switch{}
	s.On()
	m := middleware.NewMaintenance(s, admins)
	v := m.Judge(users.WithClaims(newRequest(t), appClaims{Role: "admin"}))
	if !v.Allowed() || v.Value(bypassKey{}) != "admin" {
		t.Errorf("the administrator got %v", v)
	}
	// Everybody else hears of maintenance, not of the bypass.
	checkVerdict(t, m.Judge(users.WithClaims(newRequest(t), appClaims{Role: "user"})), 503, "maintenance;do=backoff")
	s.Off()
	if v := m.Judge(newRequest(t)); !v.Allowed() || v.Brings() {
		t.Errorf("without maintenance: %v", v)
	}
	if v := m.Judge(users.WithClaims(newRequest(t), appClaims{Role: "admin"})); !slices.Contains(slices.Collect(v.Tags()), m.BypassTag()) {
		t.Errorf("an administrator without maintenance has no tag: %v", v)
	}
	if other := middleware.NewMaintenance(&middleware.Switch{}, admins); other.BypassTag() == m.BypassTag() {
		t.Error("two switches spare the same")
	}
	if same := middleware.NewMaintenance(s, admins); same.BypassTag() != m.BypassTag() {
		t.Error("two policies of one switch spare different ones")
	}
}

type bypassKey struct{}

func TestMaintenanceMistakes(t *testing.T) {
	err := middleware.NewMaintenance(nil, policy.Func(nil)).CheckMount(policy.Mounting{})
	if got := mistakes(t, err); got != 2 {
		t.Errorf("%d mistakes, want 2: %v", got, err)
	}
}
