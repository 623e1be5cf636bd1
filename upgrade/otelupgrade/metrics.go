package otelupgrade

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/upgrade"
)

type metrics struct {
	handshake  metric.Float64Histogram
	refusals   metric.Int64Counter
	shadowed   metric.Int64Counter
	active     metric.Int64UpDownCounter
	connection metric.Float64Histogram
	labels     labelCache
}

func newMetrics(meter metric.Meter) (*metrics, error) {
	var m metrics
	var errs [5]error
	m.handshake, errs[0] = meter.Float64Histogram("wsverdict.handshake.duration", metric.WithUnit("s"),
		metric.WithDescription("From entering the deciding policy until the answer was written."),
		metric.WithExplicitBucketBoundaries(0.0001, 0.0004, 0.0016, 0.0064, 0.0256, 0.1, 0.4, 1.6, 6.4))
	m.refusals, errs[1] = meter.Int64Counter("wsverdict.handshake.refusals", metric.WithUnit("{refusal}"),
		metric.WithDescription("Handshakes that were denied, or lost before they were answered."))
	m.shadowed, errs[2] = meter.Int64Counter("wsverdict.shadowed", metric.WithUnit("{verdict}"),
		metric.WithDescription("Judgements of policies on trial, which are not enforced."))
	m.active, errs[3] = meter.Int64UpDownCounter("wsverdict.active_connections", metric.WithUnit("{connection}"),
		metric.WithDescription("Connections that were admitted and are not gone yet."))
	m.connection, errs[4] = meter.Float64Histogram("wsverdict.connection.duration", metric.WithUnit("s"),
		metric.WithDescription("How long connections lived."),
		metric.WithExplicitBucketBoundaries(0.1, 1, 10, 60, 300, 900, 3600, 4*3600, 12*3600, 24*3600))
	return &m, errors.Join(errs[:]...)
}

// settled counts a handshake. ctx has its span, for exemplars.
func (m *metrics) settled(ctx context.Context, e *upgrade.Event, route, fault string) {
	labels := m.labels.of(e, route, fault)
	m.handshake.Record(ctx, e.Duration.Seconds(), labels.duration...)
	if e.Outcome != upgrade.Admitted {
		m.refusals.Add(ctx, 1, labels.refusal...)
	}
}

func (m *metrics) started(ctx context.Context, route string) {
	m.active.Add(ctx, 1, with(withRoute(nil, route)))
}

func (m *metrics) ended(e *upgrade.Event, route, fault string) {
	m.active.Add(e.Context, -1, with(withRoute(nil, route)))
	m.connection.Record(e.Context, e.Duration.Seconds(), with(withFault(withRoute([]attribute.KeyValue{
		closedByKey.String(e.Session.ClosedBy.String()), closeCodeKey.Int(int(counted(e)))}, route), fault)))
}

// counted is the close code under which a connection is counted. Those that clients choose would be
// thousands.
func counted(e *upgrade.Event) uint16 {
	switch code := e.CloseCode; {
	case e.Session.ClosedBy != upgrade.ByClient:
		return code
	case code != 1005 && !codes.Sendable(code):
		return 1002
	case code >= 3000:
		return code / 1000 * 1000
	default:
		return code
	}
}

// with makes of labels, which nobody uses afterwards, what costs the least.
func with(labels []attribute.KeyValue) metric.MeasurementOption {
	return metric.WithAttributeSet(attribute.NewSet(labels...))
}
