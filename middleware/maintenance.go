package middleware

import (
	"math"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

// A Switch says whether there is maintenance. The zero value is off. It is safe for concurrent use.
type Switch struct {
	until atomic.Int64 // 0 is off, forever is on, else nanoseconds since 1970
}

const forever = math.MaxInt64

// On turns maintenance on until it is turned off.
func (s *Switch) On() { s.until.Store(forever) }

// Until turns maintenance on until t, when it ends by itself. Clients are told how long that is. A t that has passed is off.
func (s *Switch) Until(t time.Time) {
	switch {
	case t.Year() > 2200: // beyond what nanoseconds can count
		s.On()
	case t.Year() < 1970:
		s.Off()
	default:
		s.until.Store(t.UnixNano())
	}
}

// Off turns maintenance off.
func (s *Switch) Off() { s.until.Store(0) }

// State reports whether there is maintenance now, and when it ends: the zero time if that is not known.
func (s *Switch) State() (on bool, end time.Time) {
	switch until := s.until.Load(); until {
	case 0:
		return false, time.Time{}
	case forever:
		return true, time.Time{}
	default:
		end = time.Unix(0, until)
		return time.Now().Before(end), end
	}
}

// Drain turns maintenance on, unless it is on already, and ends the live connections of up that have all the given tags (every one,
// for none), as [upgrade.Upgrader.End] does, with the verdict that newcomers get. It returns how many there are. On alone leaves
// live connections as they are.
func (s *Switch) Drain(up *upgrade.Upgrader, within time.Duration, tags ...policy.Tag) int {
	on, end := s.State()
	if !on {
		s.On()
		end = time.Time{}
	}
	v := maintenanceUntil(end)
	if len(tags) == 0 {
		return up.EndAll(v, within)
	}
	return up.End(v, within, tags[0], tags[1:]...)
}

// A MaintenanceState says whether there is maintenance now, and when it ends: the zero time if that is not known. A [*Switch] is one. One
// that a fleet shares answers from what it knows at the moment: State is called for every request, concurrently, and must
// not wait.
type MaintenanceState interface {
	State() (on bool, end time.Time)
}

// A Maintenance is the policy that denies while there is maintenance: 503 maintenance;do=backoff, with the wait if the end is
// known.
type Maintenance struct {
	state  MaintenanceState
	bypass policy.Policy // nil for none
}

// NewMaintenance returns the policy of s. While s is on, who is allowed by one of the bypass policies passes, and brings
// along what that policy brings.
//
// A bypass that looks at claims (administrators) must stand behind the JWT that brings them; everybody is then
// authenticated during maintenance too. One that looks at addresses can stand in front.
func NewMaintenance(s MaintenanceState, bypass ...policy.Policy) *Maintenance {
	m := &Maintenance{state: s}
	if len(bypass) > 0 {
		m.bypass = policy.Any(bypass...)
	}
	return m
}

var inMaintenance = policy.Close(codes.ServiceUnavailable, "maintenance").
	WithDetail("The service is under maintenance.")

// Judge is the policy.
func (m *Maintenance) Judge(r *http.Request) policy.Verdict {
	on, end := m.state.State()
	if !on {
		return policy.Allow()
	}
	if m.bypass != nil {
		if v := m.bypass.Judge(r); v.Allowed() {
			return v
		}
	}
	return maintenanceUntil(end)
}

func maintenanceUntil(end time.Time) policy.Verdict {
	if end.IsZero() {
		return inMaintenance
	}
	return inMaintenance.WithAfter(time.Until(end))
}

// Name is "maintenance".
func (m *Maintenance) Name() string { return "maintenance" }

// CheckMount reports a nil state, and asks the bypass.
func (m *Maintenance) CheckMount(at policy.Mounting) error {
	var wrong mistakes
	if s, ok := m.state.(*Switch); m.state == nil || ok && s == nil {
		wrong.add("the MaintenanceState is nil")
	}
	if m.bypass != nil {
		if err := policy.CheckMount(m.bypass, at); err != nil {
			wrong = append(wrong, err)
		}
	}
	return wrong.err("NewMaintenance")
}
