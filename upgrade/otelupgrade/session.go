package otelupgrade

import (
	"context"
	"errors"
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	otelcodes "go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/wsverdict/wsverdict/upgrade"
)

// SessionContext is [upgrade.Upgrader.SessionContext]: it puts the session's span into ctx. One of
// your own calls it and adds what else the session's context shall carry. The span starts when the
// connection is admitted; attributes that it is given before, from what policies found out say, are
// those of its start.
//
//	up.SessionContext = func(ctx context.Context, r *http.Request) context.Context {
//		ctx = telemetry.SessionContext(ctx, r)
//		tenant, _ := policy.Subject(r)
//		trace.SpanFromContext(ctx).SetAttributes(attribute.String("tenant", tenant))
//		return ctx
//	}
func (o *Observer) SessionContext(ctx context.Context, r *http.Request) context.Context {
	s := &session{Span: &pending{}, route: routeOf(r)}
	return context.WithValue(trace.ContextWithSpan(ctx, s), o, s)
}

// A session is a session's span: pending first, since what is admitted may still be lost, and a
// span that nobody ends would stay. Nobody but the handshake's goroutine sees the change: the
// session is told of afterwards, and runs then.
type session struct {
	trace.Span
	handshake trace.SpanContext
	route     string
}

// pending keeps attributes for a span that is to come.
type pending struct {
	noop.Span
	attributes []attribute.KeyValue
}

func (*pending) IsRecording() bool { return true }

func (p *pending) SetAttributes(a ...attribute.KeyValue) { p.attributes = append(p.attributes, a...) }

// sessionIn is nil where SessionContext was not called.
func (o *Observer) sessionIn(ctx context.Context) *session {
	if ctx == nil {
		return nil
	}
	s, _ := ctx.Value(o).(*session)
	return s
}

func (o *Observer) started(e *upgrade.Event) {
	s := o.sessionIn(e.Context)
	if s == nil {
		o.metrics.started(e.Context, "")
		return
	}
	options := []trace.SpanStartOption{trace.WithNewRoot(), trace.WithAttributes(sessionAttributes(e, s.route)...)}
	if p, ok := s.Span.(*pending); ok {
		options = append(options, trace.WithAttributes(p.attributes...))
	}
	if s.handshake.IsValid() {
		options = append(options, trace.WithLinks(trace.Link{SpanContext: s.handshake}))
	}
	_, s.Span = o.tracer.Start(e.Context, named("websocket session", s.route), options...)
	o.metrics.started(e.Context, s.route)
}

func (o *Observer) expiring(e *upgrade.Event) {
	if s := o.sessionIn(e.Context); s != nil && s.IsRecording() {
		s.AddEvent("wsverdict.expiring", trace.WithAttributes(verdictAttributes(e)...))
	}
}

func (o *Observer) panicked(e *upgrade.Event) {
	if s := o.sessionIn(e.Context); s != nil {
		addException(s, e.Err)
	}
}

func (o *Observer) ended(e *upgrade.Event) {
	fault := sessionFault(e)
	s := o.sessionIn(e.Context)
	if s == nil {
		o.metrics.ended(e, "", fault)
		return
	}
	if s.IsRecording() {
		s.SetAttributes(endAttributes(e, fault)...)
		if !e.Verdict.Allowed() {
			s.AddEvent("wsverdict.verdict", trace.WithAttributes(verdictAttributes(e)...))
		}
		if fault != "" {
			s.SetStatus(otelcodes.Error, fault)
		}
	}
	o.metrics.ended(e, s.route, fault)
	s.End()
}

// sessionFault is the error.type of a session, "" for none: a client that left or broke the
// protocol, and an end that was planned, are no errors.
func sessionFault(e *upgrade.Event) string {
	var p *upgrade.PanicError
	switch status := e.Verdict.Status(); {
	case status >= 500 && status != http.StatusServiceUnavailable:
		return e.Verdict.Slug()
	case !e.Verdict.Allowed() || e.Session.ClosedBy != upgrade.ByServer || e.CloseCode != 1011:
		return ""
	case errors.As(e.Err, &p):
		return "panic"
	}
	return "session_error"
}
