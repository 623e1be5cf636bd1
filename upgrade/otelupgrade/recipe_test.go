package otelupgrade_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"
	chimiddleware "github.com/go-chi/chi/v5/middleware"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
	"github.com/wsverdict/wsverdict/upgrade/otelupgrade"
	"github.com/wsverdict/wsverdict/upgrade/upgradetest"
)

// TestGlobalProvidersRecipe: the set-up as docs/observing.md has it.
func TestGlobalProvidersRecipe(t *testing.T) {
	b := newBackend(t)
	otel.SetTracerProvider(b.tracer)
	telemetry, err := otelupgrade.New(otelupgrade.Config{}) // the global providers
	if err != nil {
		t.Fatal(err)
	}
	up := &upgrade.Upgrader{
		Observer:       upgrade.Observers{telemetry, upgrade.LogObserver(slog.Default())}, // first: the others find the session's span
		SessionContext: telemetry.SessionContext,
	}

	r := chi.NewRouter()
	r.Use(otelupgrade.NewMiddleware("app")) // in place of otelhttp's, with the same options
	r.Handle("/ws/{room}", up.Handler(upgradetest.Run(upgradetest.Echo)))

	upgradetest.Handshake(t, serve(t, r), "/ws/lobby", upgradetest.Header()).Leave(1000)
	if handshake, server := b.span(t, handshakeSpan), b.span(t, serverSpan); handshake.Parent.SpanID() != server.SpanContext.SpanID() {
		t.Error("the handshake is no child of the request")
	}
	b.span(t, sessionSpan)
}

// withRequestID and withTrace write what a context has.
type withRequestID struct{ slog.Handler }

func (h withRequestID) Handle(ctx context.Context, rec slog.Record) error {
	if id := chimiddleware.GetReqID(ctx); id != "" {
		rec.AddAttrs(slog.String("request_id", id))
	}
	return h.Handler.Handle(ctx, rec)
}

type withTrace struct{ slog.Handler }

func (h withTrace) Handle(ctx context.Context, rec slog.Record) error {
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		rec.AddAttrs(slog.String("trace_id", span.TraceID().String()), slog.String("span_id", span.SpanID().String()))
	}
	return h.Handler.Handle(ctx, rec)
}

// TestIDsRecipe: the request's id and the traces are in every line of the log, the session's own
// included, and what a policy found out is on the session's span.
func TestIDsRecipe(t *testing.T) {
	b := newBackend(t)
	telemetry := b.Observer
	var out buffer
	logger := slog.New(withTrace{withRequestID{slog.NewJSONHandler(&out, nil)}})

	up := &upgrade.Upgrader{}
	up.Observer = upgrade.Observers{telemetry, upgrade.LogObserver(logger)}
	up.SessionContext = func(ctx context.Context, r *http.Request) context.Context {
		ctx = telemetry.SessionContext(ctx, r)
		if subject, ok := policy.Subject(r); ok {
			trace.SpanFromContext(ctx).SetAttributes(attribute.String("enduser.id", subject)) // of the session's span
		}
		return context.WithValue(ctx, chimiddleware.RequestIDKey, chimiddleware.GetReqID(r.Context()))
	}
	r := chi.NewRouter()
	r.Use(chimiddleware.RequestID, otelupgrade.NewMiddleware("app", b.http...))
	r.With(up.Use(always(policy.Allow().WithSubject("alice")))).Handle("/ws/{room}", up.Handler(
		upgradetest.Run(func(ctx context.Context, c *upgrade.Conn) error {
			logger.InfoContext(ctx, "in the session")
			return upgradetest.Echo(ctx, c)
		})))

	upgradetest.Handshake(t, serve(t, r), "/ws/lobby", upgradetest.Header("X-Request-Id", "abc", "Traceparent", traceparent)).Leave(1000)
	session := b.span(t, sessionSpan)
	if valueOf(session, "enduser.id") != "alice" {
		t.Errorf("%v", session.Attributes)
	}
	upgradetest.Eventually(t, "the last line", func() bool { return strings.Contains(out.String(), "websocket ended") })
	want := map[string]string{
		"websocket settled": remoteTrace,
		"websocket started": session.SpanContext.TraceID().String(),
		"in the session":    session.SpanContext.TraceID().String(),
		"websocket ended":   session.SpanContext.TraceID().String(),
	}
	for line := range strings.Lines(out.String()) {
		var got struct {
			Msg       string
			RequestID string `json:"request_id"`
			TraceID   string `json:"trace_id"`
		}
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Fatal(err)
		}
		if got.RequestID != "abc" || got.TraceID != want[got.Msg] {
			t.Errorf("%s", line)
		}
		delete(want, got.Msg)
	}
	if len(want) > 0 {
		t.Errorf("no line says %v", want)
	}
}
