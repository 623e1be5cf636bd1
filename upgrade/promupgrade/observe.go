package promupgrade

import (
	"errors"
	"strconv"

	"github.com/wsverdict/wsverdict/upgrade"
)

// Observe counts an event.
func (m *Metrics) Observe(e upgrade.Event) {
	switch e.Kind {
	case upgrade.Settled:
		m.handshakes.count(e.Outcome.String(), strconv.Itoa(int(e.Verdict.Code())), e.Verdict.Slug(), e.Policy, e.Why.String())
		m.handshake.WithLabelValues(e.Outcome.String()).Observe(e.Duration.Seconds())
		var p *upgrade.PanicError
		if errors.As(e.Verdict.Cause(), &p) {
			m.panics.Inc()
		}
	case upgrade.Shadowed:
		verdict := "deny"
		if e.Verdict.Allowed() {
			verdict = "allow"
		}
		m.shadowed.count(e.Policy, verdict, e.Verdict.Slug())
	case upgrade.Panicked:
		m.panics.Inc()
	case upgrade.Ended:
		s := &e.Session
		m.connection.WithLabelValues(s.ClosedBy.String()).Observe(e.Duration.Seconds())
		m.messages.WithLabelValues("read").Add(float64(s.MessagesRead))
		m.messages.WithLabelValues("written").Add(float64(s.MessagesWritten))
		m.bytes.WithLabelValues("read").Add(float64(s.BytesRead))
		m.bytes.WithLabelValues("written").Add(float64(s.BytesWritten))
	}
}
