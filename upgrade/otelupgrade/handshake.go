package otelupgrade

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	otelcodes "go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/wsverdict/wsverdict/upgrade"
)

// settled makes the span of a handshake in hindsight: it has just ended.
func (o *Observer) settled(e *upgrade.Event) {
	end, route, fault := time.Now(), routeOf(e.Request), handshakeFault(e)
	ctx, span := o.tracer.Start(e.Context, named(kindOf(e), route), trace.WithTimestamp(end.Add(-e.Duration)))
	if span.IsRecording() {
		span.SetAttributes(handshakeAttributes(e, route, fault)...)
		addException(span, e.Verdict.Cause())
		span.AddEvent("wsverdict.verdict", trace.WithTimestamp(end), trace.WithAttributes(verdictAttributes(e)...))
		if fault != "" {
			span.SetStatus(otelcodes.Error, fault)
		}
	}
	o.metrics.settled(ctx, e, route, fault)
	span.End(trace.WithTimestamp(end))

	outcome := outcomeKey.String(e.Outcome.String())
	trace.SpanFromContext(e.Context).SetAttributes(outcome)
	if labels, ok := otelhttp.LabelerFromContext(e.Context); ok {
		labels.Add(outcome)
	}
	if s := o.sessionIn(e.SessionContext); s != nil {
		s.handshake = span.SpanContext()
	}
}

func (o *Observer) shadowed(e *upgrade.Event) {
	if span := trace.SpanFromContext(e.Context); span.IsRecording() {
		span.AddEvent("wsverdict.shadowed", trace.WithAttributes(verdictAttributes(e)...))
	}
	o.metrics.shadowed.Add(e.Context, 1, with(verdictLabels(e)))
}

// handshakeFault is the error.type of a handshake, "" for none: being refused is no error.
func handshakeFault(e *upgrade.Event) string {
	switch {
	case e.Outcome == upgrade.Lost:
		return semconv.ErrorType(e.Err).Value.AsString() // a type's name
	case e.Verdict.Status() >= 500:
		return e.Verdict.Slug()
	}
	return ""
}

// addException says where something panicked, and with what type of value: its text may quote a
// client.
func addException(span trace.Span, err error) {
	var p *upgrade.PanicError
	if errors.As(err, &p) {
		span.AddEvent("exception", trace.WithAttributes(
			semconv.ExceptionType(typeName(p.Value)), semconv.ExceptionStacktrace(text(string(p.Stack)))))
	}
}

// kindOf tells a handshake from an ordinary request behind the same links.
func kindOf(e *upgrade.Event) string {
	if asksForUpgrade(e.Request) || e.Request.Method == http.MethodConnect { // over HTTP/2 (RFC 8441)
		return "websocket handshake"
	}
	return "verdict"
}

// routeOf is the pattern that a router matched, without method and host, as otelhttp has it.
func routeOf(r *http.Request) string {
	at := strings.IndexByte(r.Pattern, '/')
	if at < 0 {
		return ""
	}
	return text(r.Pattern[at:])
}

func named(what, route string) string {
	if route == "" {
		return what
	}
	return what + " " + route
}
