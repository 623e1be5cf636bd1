package otelupgrade_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"go.opentelemetry.io/otel/attribute"
	otelcodes "go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
	"github.com/wsverdict/wsverdict/upgrade/upgradetest"
)

const (
	remoteTrace = "4bf92f3577b34da6a3ce929d0e0e4736"
	traceparent = "00-" + remoteTrace + "-00f067aa0ba902b7-01"
)

// A session's span is the root of its own trace, linked to the handshake's, which belongs to the
// client's trace; what the session does is a child of it.
func TestSession(t *testing.T) {
	b := newBackend(t)
	up := b.upgrader()
	addr := b.serve(t, up.Use(always(policy.Allow()))(up.Handler(upgradetest.Run(func(ctx context.Context, c *upgrade.Conn) error {
		_, child := b.tracer.Tracer("app").Start(ctx, "work")
		child.End()
		trace.SpanFromContext(ctx).SetAttributes(attribute.String("mine", "too"))
		return upgradetest.Echo(ctx, c)
	}))))
	c := upgradetest.Handshake(t, addr, "/ws/lobby", upgradetest.Header("Traceparent", traceparent))
	c.Say("hello", "hello")
	active := "http.route=/ws/{room}"
	if got := b.points(t, "wsverdict.active_connections"); got[active] != 1 {
		t.Errorf("active connections %v", got)
	}
	c.Leave(4999)

	server, handshake, session, work := b.span(t, serverSpan), b.span(t, handshakeSpan), b.span(t, sessionSpan), b.span(t, "work")
	if valueOf(server, "http.response.status_code") != int64(101) || valueOf(server, "wsverdict.outcome") != "admitted" {
		t.Errorf("otelhttp's span has %v", server.Attributes)
	}
	if server.SpanContext.TraceID().String() != remoteTrace || handshake.Parent.SpanID() != server.SpanContext.SpanID() {
		t.Errorf("the request is in trace %v, the handshake below %v", server.SpanContext.TraceID(), handshake.Parent.SpanID())
	}
	wantAttributes(t, "the handshake", handshake.Attributes,
		"http.response.status_code=101,http.route=/ws/{room},wsverdict.outcome=admitted,wsverdict.policy=endpoint,wsverdict.session.id=1,wsverdict.verdict=allow")
	if session.Parent.IsValid() || session.SpanContext.TraceID() == server.SpanContext.TraceID() {
		t.Error("the session's span is no root")
	}
	if len(session.Links) != 1 || session.Links[0].SpanContext.SpanID() != handshake.SpanContext.SpanID() {
		t.Errorf("it links to %v", session.Links)
	}
	if work.Parent.SpanID() != session.SpanContext.SpanID() || work.SpanContext.TraceID() != session.SpanContext.TraceID() {
		t.Error("what the session does is no child of its span")
	}
	if session.SpanKind != trace.SpanKindInternal || session.Status.Code != otelcodes.Unset || len(session.Events) != 0 {
		t.Errorf("kind %v, status %v, events %v", session.SpanKind, session.Status, session.Events)
	}
	wantAttributes(t, "the session", session.Attributes, "http.route=/ws/{room},mine=too,network.protocol.name=websocket,"+
		"wsverdict.close_code=4999,wsverdict.closed_by=client,wsverdict.session.bytes.read=19,wsverdict.session.bytes.written=11,"+
		"wsverdict.session.id=1,wsverdict.session.messages.read=1,wsverdict.session.messages.written=1")

	upgradetest.WantEmpty(t, up)
	for name, want := range map[string]map[string]int64{
		"wsverdict.active_connections":  {active: 0},
		"wsverdict.handshake.duration":  {"http.route=/ws/{room},wsverdict.outcome=admitted": 1},
		"wsverdict.connection.duration": {"http.route=/ws/{room},wsverdict.close_code=4000,wsverdict.closed_by=client": 1},
		"wsverdict.handshake.refusals":  {},
	} {
		got := b.points(t, name)
		if len(got) != len(want) {
			t.Errorf("%s: %v", name, got)
		}
		for labels, n := range want {
			if got[labels] != n {
				t.Errorf("%s: %v", name, got)
			}
		}
	}
}

// How a session ended, and when that was an error.
func TestSessionEnds(t *testing.T) {
	until := func(ctx context.Context, c *upgrade.Conn) error {
		_, _, err := c.Read(ctx, nil)
		return err
	}
	fails := func(err error) upgrade.Session {
		return func(ctx context.Context, c *upgrade.Conn) error { until(ctx, c); return err }
	}
	speak := func(_ *upgrade.Upgrader, c *upgradetest.Client) { c.SendText("now"); c.ReadClose(); c.Bye() }
	ends := func(v policy.Verdict) func(*upgrade.Upgrader, *upgradetest.Client) {
		return func(up *upgrade.Upgrader, c *upgradetest.Client) {
			upgradetest.Eventually(t, "the session is there", func() bool { return up.EndAll(v, 0) == 1 })
			c.ReadClose()
			c.Bye()
		}
	}
	for _, tc := range []struct {
		name    string
		session upgrade.Session
		client  func(*upgrade.Upgrader, *upgradetest.Client)
		code    int64
		by      string
		fault   string
		verdict string // its event
	}{
		{"error", fails(errors.New("x")), speak, 1011, "server", "session_error", ""},
		{"panic", func(ctx context.Context, c *upgrade.Conn) error { until(ctx, c); panic("x") }, speak, 1011, "server", "panic", ""},
		{"its own verdict", fails(policy.Close(codes.Forbidden, "not_a_member")), speak, 4403, "server", "",
			"wsverdict.action=stop,wsverdict.code=4403,wsverdict.policy=session,wsverdict.slug=not_a_member,wsverdict.verdict=close"},
		{"its own 5xx", fails(policy.Close(4502, "bad_gateway")), speak, 4502, "server", "bad_gateway",
			"wsverdict.action=backoff,wsverdict.code=4502,wsverdict.policy=session,wsverdict.slug=bad_gateway,wsverdict.verdict=close"},
		{"a ban", until, ends(policy.Close(codes.Forbidden, "banned")), 4403, "server", "",
			"wsverdict.action=stop,wsverdict.code=4403,wsverdict.policy=session,wsverdict.slug=banned,wsverdict.verdict=close"},
		{"a restart", until, ends(policy.Close(codes.ServiceUnavailable, "restart").WithAction(codes.Reconnect)), 4503, "server", "",
			"wsverdict.action=reconnect,wsverdict.code=4503,wsverdict.policy=session,wsverdict.slug=restart,wsverdict.verdict=close"},
		{"nothing more to do", fails(nil), speak, 1000, "server", "", ""},
		{"a client that breaks the protocol", until, func(_ *upgrade.Upgrader, c *upgradetest.Client) {
			c.Send(ws.NewFrame(3, true, nil))
			c.ReadClose()
		}, 1002, "server", "", ""},
		{"a client with an error of its own", until, func(_ *upgrade.Upgrader, c *upgradetest.Client) { c.Leave(1011) }, 1011, "client", "", ""},
		{"a client that is gone", until, func(_ *upgrade.Upgrader, c *upgradetest.Client) { c.Close() }, 1006, "network", "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBackend(t)
			up := b.upgrader()
			addr := b.serve(t, up.Handler(upgradetest.Run(tc.session)))
			tc.client(up, upgradetest.Handshake(t, addr, "/ws/lobby", upgradetest.Header()))
			s := b.span(t, sessionSpan)
			if valueOf(s, "wsverdict.close_code") != tc.code || valueOf(s, "wsverdict.closed_by") != tc.by {
				t.Errorf("%v", s.Attributes)
			}
			if (s.Status.Code == otelcodes.Error) != (tc.fault != "") || s.Status.Description != tc.fault {
				t.Errorf("status %v, want %q", s.Status, tc.fault)
			}
			verdict := ""
			for _, e := range s.Events {
				switch e.Name {
				case "wsverdict.verdict":
					verdict = encoded(e.Attributes)
				case "exception":
					if tc.fault != "panic" || !strings.Contains(encoded(e.Attributes), "TestSessionEnds") {
						t.Errorf("exception %v", e.Attributes)
					}
				}
			}
			if verdict != tc.verdict {
				t.Errorf("verdict %s", verdict)
			}
			upgradetest.WantEmpty(t, up)
		})
	}
}

// A SessionContext of the user's own, around ours: what it tells the span before the session begins is
// there, and a span that it puts on top is no parent.
func TestOwnSessionContext(t *testing.T) {
	b := newBackend(t)
	up := &upgrade.Upgrader{Observer: b, SessionContext: func(ctx context.Context, r *http.Request) context.Context {
		ctx = b.SessionContext(ctx, r)
		subject, _ := policy.Subject(r)
		if span := trace.SpanFromContext(ctx); span.IsRecording() {
			span.SetAttributes(attribute.String("tenant", subject))
		}
		return trace.ContextWithSpanContext(ctx, trace.SpanContextFromContext(r.Context()))
	}}
	addr := b.serve(t, up.Use(always(policy.Allow().WithSubject("acme")))(up.Handler(upgradetest.Run(upgradetest.Echo))))
	upgradetest.Handshake(t, addr, "/ws/lobby", upgradetest.Header()).Leave(1000)
	if s := b.span(t, sessionSpan); valueOf(s, "tenant") != "acme" || s.Parent.IsValid() {
		t.Errorf("%v, below %v", s.Attributes, s.Parent.SpanID())
	}
}

func TestExpiring(t *testing.T) {
	b := newBackend(t)
	up := b.upgrader()
	up.ExpiryNotice = 2 * time.Hour
	told := upgradetest.NewRecorder()
	up.Observer = upgrade.Observers{b, told}
	soon := policy.Allow().WithExpiry(policy.Expiry{At: time.Now().Add(time.Hour), Owner: "test"})
	addr := b.serve(t, up.Use(always(soon))(up.Handler(upgradetest.Run(upgradetest.Echo))))
	c := upgradetest.Handshake(t, addr, "/ws/lobby", upgradetest.Header())
	told.Until(t, upgrade.Expiring)
	c.Leave(1000)
	s := b.span(t, sessionSpan)
	if len(s.Events) != 1 || s.Events[0].Name != "wsverdict.expiring" {
		t.Fatalf("events %v", s.Events)
	}
	wantAttributes(t, "the event", s.Events[0].Attributes,
		"wsverdict.action=refresh,wsverdict.code=4401,wsverdict.policy=session,wsverdict.slug=token_expired,wsverdict.verdict=close")
}

// Without SessionContext there are metrics, and no span that nobody could find.
func TestWithoutSessionContext(t *testing.T) {
	b := newBackend(t)
	up := &upgrade.Upgrader{Observer: b}
	addr := b.serve(t, up.Handler(upgradetest.Run(upgradetest.Echo)))
	upgradetest.Handshake(t, addr, "/ws/lobby", upgradetest.Header()).Leave(1000)
	upgradetest.WantEmpty(t, up)
	b.span(t, serverSpan)
	if n := len(b.spans.GetSpans()); n != 2 {
		t.Errorf("%d spans", n)
	}
	upgradetest.Eventually(t, "the session is counted", func() bool {
		return b.points(t, "wsverdict.connection.duration")["wsverdict.close_code=1000,wsverdict.closed_by=client"] == 1
	})
}
