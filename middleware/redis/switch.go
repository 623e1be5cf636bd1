package fleet

import (
	"context"
	"time"

	"github.com/wsverdict/wsverdict/middleware"
	"github.com/wsverdict/wsverdict/policy"
)

// A Switch says whether there is maintenance, on all servers: those that are there learn it within
// milliseconds, those that start later when they are ready ([Fleet.Ready]). Its methods but State
// return when Redis has it; an error means that it may or may not have been said. It is safe for
// concurrent use.
type Switch struct {
	fleet *Fleet
	local middleware.Switch // as this process knows it
}

// Maintenance is the policy of s, to be mounted: [middleware.NewMaintenance]. Connections that one
// of the bypass policies admits stay when the fleet is drained.
func (s *Switch) Maintenance(bypass ...policy.Policy) *middleware.Maintenance {
	return middleware.NewMaintenance(&s.local, bypass...)
}

// State reports whether there is maintenance now, and when it ends (the zero time if that is not
// known), from memory.
func (s *Switch) State() (on bool, end time.Time) { return s.local.State() }

// On turns maintenance on until it is turned off.
func (s *Switch) On(ctx context.Context) error {
	return s.fleet.stream.say(ctx, entry{Kind: kindMaintenance, On: true})
}

// Until turns maintenance on until t, when it ends by itself, on all servers at the same moment,
// however wrong their clocks are; t is by the clock of this one. A t that has passed is off.
func (s *Switch) Until(ctx context.Context, t time.Time) error {
	left := time.Until(t)
	if left <= 0 {
		return s.Off(ctx)
	}
	return s.fleet.stream.say(ctx, entry{Kind: kindMaintenance, On: true, For: milliseconds(left)})
}

// Off turns maintenance off.
func (s *Switch) Off(ctx context.Context) error {
	return s.fleet.stream.say(ctx, entry{Kind: kindMaintenance})
}

// Drain turns maintenance on, unless it is on already, and ends the live connections on all servers
// as [middleware.Switch.Drain] does, each server spreading its own over within.
func (s *Switch) Drain(ctx context.Context, within time.Duration) error {
	e := entry{Kind: kindMaintenance, On: true, Drain: true, Within: milliseconds(within)}
	if on, end := s.State(); on && !end.IsZero() {
		e.For = milliseconds(time.Until(end))
	}
	return s.fleet.stream.say(ctx, e)
}

// apply is what the stream says. said is when it was said, by this process's clock.
func (s *Switch) apply(e entry, said time.Time) {
	switch {
	case !e.On:
		s.local.Off()
	case e.For == 0:
		s.local.On()
	default:
		s.local.Until(said.Add(time.Duration(e.For) * time.Millisecond))
	}
}

func (s *Switch) drain(within time.Duration) {
	if on, _ := s.State(); !on {
		return // it is over already
	}
	for _, up := range s.fleet.cfg.Upgraders {
		s.local.Drain(up, within)
	}
}
