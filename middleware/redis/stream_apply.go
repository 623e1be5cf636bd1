package fleet

import (
	"fmt"
	"time"
)

// apply does what an entry says. What cannot be understood is passed over: another server's mistake
// must not stop this one.
func (s *stream) apply(at position, text string) {
	e, err := parseEntry(text)
	if err == nil {
		switch history := !s.quiet.before(at); e.Kind {
		case kindEnd:
			if !history {
				err = s.end(e)
			}
		case kindRevoke:
			until := s.local(at.after(time.Duration(e.For) * time.Millisecond))
			if !time.Now().Before(until) {
				return
			}
			// First where the policies look, then the connections: whoever was judged before is
			// found by End.
			s.fleet.revocations.add(e, until)
			err = s.end(e)
		case kindLift:
			s.fleet.revocations.lift(e.Tags)
		case kindMaintenance:
			if s.maintenance.before(at) {
				s.maintenance = at
				s.fleet.maintenance.apply(e, s.local(at.after(0)))
			}
			if e.Drain && !history && at == s.maintenance {
				s.fleet.maintenance.drain(time.Duration(e.Within) * time.Millisecond)
			}
		}
	}
	s.fleet.counts.entries.Add(1)
	if err != nil {
		s.fleet.failed(OpApply, fmt.Errorf("%s: %w", at, err))
	}
}

// end closes the connections of this process that an entry is about.
func (s *stream) end(e entry) error {
	v, err := e.denial()
	within := time.Duration(e.Within) * time.Millisecond
	for _, up := range s.fleet.cfg.Upgraders {
		if len(e.Tags) == 0 {
			up.EndAll(v, within)
		} else {
			up.End(v, within, e.Tags[0], e.Tags[1:]...)
		}
	}
	return err
}
