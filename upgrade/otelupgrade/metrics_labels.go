package otelupgrade

import (
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/upgrade"
)

// A settlement is all that the labels of a handshake's metrics are made of.
type settlement struct {
	outcome             upgrade.Outcome
	why                 upgrade.Why
	verdict             string
	code                codes.Code
	slug, policy, route string
	fault               string
}

type handshakeLabels struct {
	duration []metric.RecordOption
	refusal  []metric.AddOption
}

// A labelCache keeps the labels of handshakes: they are few, and to make them costs more than to
// count. The zero value is empty.
type labelCache struct {
	mu    sync.RWMutex
	known map[settlement]handshakeLabels
}

// remembered bounds what a program that makes up slugs can fill: the SDK does not tell more apart.
const remembered = 2000

func (c *labelCache) of(e *upgrade.Event, route, fault string) handshakeLabels {
	s := settlement{e.Outcome, e.Why, verdictName(e.Verdict), e.Verdict.Code(), e.Verdict.Slug(), e.Policy, route, fault}
	c.mu.RLock()
	labels, ok := c.known[s]
	c.mu.RUnlock()
	if ok {
		return labels
	}
	labels = newHandshakeLabels(e, route, fault)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known == nil {
		c.known = map[settlement]handshakeLabels{}
	}
	if len(c.known) < remembered {
		c.known[s] = labels
	}
	return labels
}

func newHandshakeLabels(e *upgrade.Event, route, fault string) handshakeLabels {
	outcome := outcomeKey.String(e.Outcome.String())
	refusal := append(withRoute(verdictLabels(e), route), outcome)
	if e.Why != 0 {
		refusal = append(refusal, whyKey.String(e.Why.String()))
	}
	return handshakeLabels{
		duration: []metric.RecordOption{with(withFault(withRoute([]attribute.KeyValue{outcome}, route), fault))},
		refusal:  []metric.AddOption{with(refusal)},
	}
}
