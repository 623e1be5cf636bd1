package middleware

import (
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

// A Switch says whether there is maintenance. The zero value is off. It is safe for concurrent use.
type Switch struct {
	until  atomic.Pointer[time.Time] // nil is off, the zero time is on until it is turned off
	spared atomic.Pointer[policy.Tag]
}

// On turns maintenance on until it is turned off.
func (s *Switch) On() { s.until.Store(new(time.Time)) }

// Until turns maintenance on until t, when it ends by itself. Clients are told how long that is. A
// t that has passed is off. If t has a monotonic clock reading, as time.Now().Add(time.Hour) has,
// setting the system's clock meanwhile changes nothing.
func (s *Switch) Until(t time.Time) {
	if t.IsZero() {
		s.Off()
		return
	}
	s.until.Store(&t)
}

// Off turns maintenance off.
func (s *Switch) Off() { s.until.Store(nil) }

// State reports whether there is maintenance now, and when it ends: the zero time if that is not
// known.
func (s *Switch) State() (on bool, end time.Time) {
	switch until := s.until.Load(); {
	case until == nil:
		return false, time.Time{}
	case until.IsZero():
		return true, time.Time{}
	default:
		return time.Now().Before(*until), *until
	}
}

// Drain turns maintenance on, unless it is on already, and ends the live connections of up as
// [upgrade.Upgrader.EndAll] does, with the verdict that newcomers get. It returns how many there
// are. Connections that the bypass of a [Maintenance] of s admits stay, whether or not there was
// maintenance when they came. On alone leaves live connections as they are.
func (s *Switch) Drain(up *upgrade.Upgrader, within time.Duration) int {
	return up.EndAllExcept(s.begin(), within, s.bypassTag())
}

// DrainTag is [Switch.Drain] for the connections alone that have all the given tags. Newcomers are
// refused whatever theirs are.
func (s *Switch) DrainTag(up *upgrade.Upgrader, within time.Duration, tag policy.Tag, more ...policy.Tag) int {
	return up.EndExcept(s.begin(), within, s.bypassTag(), tag, more...)
}

// begin turns maintenance on, unless it is, and returns its verdict.
func (s *Switch) begin() policy.Verdict {
	on, end := s.State()
	if !on {
		s.On()
		end = time.Time{}
	}
	return maintenanceUntil(end)
}

var numbers atomic.Uint64

func newBypassTag() policy.Tag {
	return policy.Tag{Key: "maintenance_bypass", Value: strconv.FormatUint(numbers.Add(1), 10)}
}

// bypassTag is what connections have that stay: of this Switch, since who administrates one part
// may not the whole.
func (s *Switch) bypassTag() policy.Tag {
	tag := s.spared.Load()
	if tag == nil {
		fresh := newBypassTag()
		s.spared.CompareAndSwap(nil, &fresh)
		tag = s.spared.Load()
	}
	return *tag
}

// A MaintenanceState says whether there is maintenance now, and when it ends: the zero time if that
// is not known. A [*Switch] is one. One that a fleet shares answers from what it knows at the
// moment: State is called for every request, concurrently, and must not wait.
type MaintenanceState interface {
	State() (on bool, end time.Time)
}

// A Maintenance is the policy that denies while there is maintenance: 503 maintenance;do=backoff,
// with the wait if the end is known.
type Maintenance struct {
	state  MaintenanceState
	bypass policy.Policy // nil for none
	spared policy.Tag
}

// NewMaintenance returns the policy of s. Who is allowed by one of the bypass policies passes,
// maintenance or not, and brings along what that policy brings, and a tag by which [Switch.Drain]
// knows whom to spare. So the bypass is asked for every request, also when there is no maintenance:
// a connection that comes before it may still be there then. Without a bypass there is no such
// cost.
//
// A bypass that looks at claims (administrators) must stand behind the JWT that brings them;
// everybody is then authenticated during maintenance too. One that looks at addresses can stand in
// front.
func NewMaintenance(s MaintenanceState, bypass ...policy.Policy) *Maintenance {
	m := &Maintenance{state: s}
	if s, ok := s.(*Switch); ok && s != nil {
		m.spared = s.bypassTag()
	} else {
		m.spared = newBypassTag()
	}
	if len(bypass) > 0 {
		m.bypass = policy.Any(bypass...)
	}
	return m
}

var inMaintenance = policy.Close(codes.ServiceUnavailable, "maintenance").
	WithDetail("The service is under maintenance.")

// BypassTag is the tag of connections that the bypass admits, for a drain of one's own where the
// state is no [Switch]:
//
//	up.EndAllExcept(verdict, within, maintenance.BypassTag())
func (m *Maintenance) BypassTag() policy.Tag { return m.spared }

// Judge is the policy.
func (m *Maintenance) Judge(r *http.Request) policy.Verdict {
	if m.bypass != nil {
		if v := m.bypass.Judge(r); v.Allowed() {
			return v.WithTag(m.spared.Key, m.spared.Value)
		}
	}
	on, end := m.state.State()
	if !on {
		return policy.Allow()
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
