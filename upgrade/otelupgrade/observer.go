package otelupgrade

import (
	"errors"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/wsverdict/wsverdict/upgrade"
)

const scope = "github.com/wsverdict/wsverdict/upgrade/otelupgrade"

// A Config says whom an [Observer] reports to. The zero value means the global providers.
type Config struct {
	TracerProvider trace.TracerProvider // nil is otel.GetTracerProvider()
	MeterProvider  metric.MeterProvider // nil is otel.GetMeterProvider()
}

// An Observer is an [upgrade.Observer] that makes spans and metrics. The Upgrader's SessionContext
// is its method of that name, or calls it: without it sessions have metrics and no span. Among
// several [upgrade.Observers] it comes first, so that the others find a session's span in the
// event's context. One Observer may serve many Upgraders. It is safe for concurrent use.
type Observer struct {
	tracer  trace.Tracer
	metrics *metrics
}

// New returns an Observer. An error means that the MeterProvider made no instruments.
func New(c Config) (*Observer, error) {
	if c.TracerProvider == nil {
		c.TracerProvider = otel.GetTracerProvider()
	}
	if c.MeterProvider == nil {
		c.MeterProvider = otel.GetMeterProvider()
	}
	m, err := newMetrics(c.MeterProvider.Meter(scope, metric.WithSchemaURL(semconv.SchemaURL)))
	if err != nil {
		return nil, errors.Join(errors.New("otelupgrade: no instruments"), err)
	}
	return &Observer{c.TracerProvider.Tracer(scope, trace.WithSchemaURL(semconv.SchemaURL)), m}, nil
}

// Must is for package variables, and panics on mistakes: otelupgrade.Must(otelupgrade.New(cfg)).
func Must(o *Observer, err error) *Observer {
	if err != nil {
		panic(err)
	}
	return o
}

// Observe records an event.
func (o *Observer) Observe(e upgrade.Event) {
	switch e.Kind {
	case upgrade.Settled:
		o.settled(&e)
	case upgrade.Shadowed:
		o.shadowed(&e)
	case upgrade.Started:
		o.started(&e)
	case upgrade.Expiring:
		o.expiring(&e)
	case upgrade.Panicked:
		o.panicked(&e)
	case upgrade.Ended:
		o.ended(&e)
	}
}
