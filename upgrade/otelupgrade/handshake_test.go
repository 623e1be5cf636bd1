package otelupgrade_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	otelcodes "go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
	"github.com/wsverdict/wsverdict/upgrade/upgradetest"
)

func always(v policy.Verdict) policy.Policy {
	return policy.Named("gate", policy.Func(func(*http.Request) policy.Verdict { return v }))
}

// visit shakes hands and answers a close frame, if one came with the 101.
func visit(t testing.TB, addr string, v policy.Verdict) {
	t.Helper()
	c := upgradetest.Handshake(t, addr, "/ws/lobby", upgradetest.Header())
	if c.Response.StatusCode == http.StatusSwitchingProtocols && !v.Hidden() {
		c.ReadClose()
		c.Bye()
	}
}

// Every refusal is a child of the request's span, and can be told from an admission there as well.
func TestRefusals(t *testing.T) {
	for _, tc := range []struct {
		name       string
		verdict    policy.Verdict
		status     int64 // of HTTP
		attributes string
		event      string
		fault      string
		refusals   string
	}{
		{
			name: "close frame", verdict: policy.Close(codes.Unauthorized, "token_expired"), status: 101,
			attributes: "http.response.status_code=101,http.route=/ws/{room},wsverdict.action=refresh,wsverdict.close_code=4401,wsverdict.code=4401,wsverdict.outcome=closed,wsverdict.policy=gate,wsverdict.slug=token_expired,wsverdict.verdict=close",
			event:      "wsverdict.action=refresh,wsverdict.code=4401,wsverdict.policy=gate,wsverdict.slug=token_expired,wsverdict.verdict=close",
			refusals:   "http.route=/ws/{room},wsverdict.code=4401,wsverdict.outcome=closed,wsverdict.policy=gate,wsverdict.slug=token_expired,wsverdict.verdict=close",
		},
		{
			name: "status", verdict: policy.Reject(codes.Forbidden, "banned"), status: 403,
			attributes: "http.response.status_code=403,http.route=/ws/{room},wsverdict.action=stop,wsverdict.code=4403,wsverdict.outcome=answered,wsverdict.policy=gate,wsverdict.slug=banned,wsverdict.verdict=reject,wsverdict.why=hidden",
			event:      "wsverdict.action=stop,wsverdict.code=4403,wsverdict.policy=gate,wsverdict.slug=banned,wsverdict.verdict=reject",
			refusals:   "http.route=/ws/{room},wsverdict.code=4403,wsverdict.outcome=answered,wsverdict.policy=gate,wsverdict.slug=banned,wsverdict.verdict=reject,wsverdict.why=hidden",
		},
		{
			name: "5xx", verdict: policy.Close(codes.ServiceUnavailable, "keys_unavailable").WithAfter(3 * time.Second), status: 101,
			attributes: "error.type=keys_unavailable,http.response.status_code=101,http.route=/ws/{room},wsverdict.action=backoff,wsverdict.after=3,wsverdict.close_code=4503,wsverdict.code=4503,wsverdict.outcome=closed,wsverdict.policy=gate,wsverdict.slug=keys_unavailable,wsverdict.verdict=close",
			event:      "wsverdict.action=backoff,wsverdict.after=3,wsverdict.code=4503,wsverdict.policy=gate,wsverdict.slug=keys_unavailable,wsverdict.verdict=close",
			fault:      "keys_unavailable",
			refusals:   "http.route=/ws/{room},wsverdict.code=4503,wsverdict.outcome=closed,wsverdict.policy=gate,wsverdict.slug=keys_unavailable,wsverdict.verdict=close",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBackend(t)
			up := b.upgrader()
			before := time.Now()
			addr := b.serve(t, up.Use(always(tc.verdict))(up.Handler(upgradetest.Run(upgradetest.Echo))))
			visit(t, addr, tc.verdict)
			server, handshake := b.span(t, serverSpan), b.span(t, handshakeSpan)
			if n := len(b.spans.GetSpans()); n != 2 {
				t.Errorf("%d spans", n)
			}
			if valueOf(server, "http.response.status_code") != tc.status || valueOf(server, "wsverdict.outcome") == nil {
				t.Errorf("otelhttp's span has %v", server.Attributes)
			}
			if handshake.Parent.SpanID() != server.SpanContext.SpanID() || handshake.SpanContext.TraceID() != server.SpanContext.TraceID() {
				t.Error("it is no child of otelhttp's span")
			}
			if handshake.StartTime.Before(before) || handshake.EndTime.Before(handshake.StartTime) {
				t.Errorf("it lasted from %v to %v", handshake.StartTime, handshake.EndTime)
			}
			if handshake.SpanKind != trace.SpanKindInternal {
				t.Errorf("it is of kind %v", handshake.SpanKind)
			}
			wantAttributes(t, "the handshake", handshake.Attributes, tc.attributes)
			if len(handshake.Events) != 1 || handshake.Events[0].Name != "wsverdict.verdict" {
				t.Fatalf("events %v", handshake.Events)
			}
			wantAttributes(t, "the event", handshake.Events[0].Attributes, tc.event)
			if s := handshake.Status; (s.Code == otelcodes.Error) != (tc.fault != "") || s.Description != tc.fault {
				t.Errorf("status %v", s)
			}
			if got := b.points(t, "wsverdict.handshake.refusals"); len(got) != 1 || got[tc.refusals] != 1 {
				t.Errorf("refusals %v", got)
			}
			if got := b.points(t, "wsverdict.active_connections"); len(got) != 0 {
				t.Errorf("active connections %v", got)
			}
			for labels := range b.points(t, "http.server.request.duration") {
				if !strings.Contains(labels, "wsverdict.outcome=") {
					t.Errorf("otelhttp counts %s", labels)
				}
			}
		})
	}
}

// An ordinary request behind the same links is no handshake.
func TestOrdinaryRefusal(t *testing.T) {
	b := newBackend(t)
	up := b.upgrader()
	addr := b.serve(t, up.Use(always(policy.Close(codes.Unauthorized, "token_missing")))(http.NotFoundHandler()))
	res, err := http.Get("http://" + addr + "/ws/lobby")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	s := b.span(t, "verdict /ws/{room}")
	if valueOf(s, "http.response.status_code") != int64(401) || valueOf(s, "wsverdict.why") != "no_handshake" {
		t.Errorf("%v", s.Attributes)
	}
}

func TestShadowed(t *testing.T) {
	b := newBackend(t)
	up := b.upgrader()
	addr := b.serve(t, up.Shadow(always(policy.Close(codes.Forbidden, "tried")))(up.Handler(upgradetest.Run(upgradetest.Echo))))
	upgradetest.Handshake(t, addr, "/ws/lobby", upgradetest.Header()).Leave(1000)
	server := b.span(t, serverSpan)
	if len(server.Events) != 1 || server.Events[0].Name != "wsverdict.shadowed" {
		t.Fatalf("events %v", server.Events)
	}
	wantAttributes(t, "the event", server.Events[0].Attributes,
		"wsverdict.action=stop,wsverdict.code=4403,wsverdict.policy=gate,wsverdict.slug=tried,wsverdict.verdict=close")
	if got := b.points(t, "wsverdict.shadowed"); got["wsverdict.code=4403,wsverdict.policy=gate,wsverdict.slug=tried,wsverdict.verdict=close"] != 1 {
		t.Errorf("counted %v", got)
	}
}

// A broken connection takes no bytes.
type broken struct{ net.Conn }

func (c broken) Write([]byte) (int, error) { return 0, errors.New("text that nobody wants") }

type breaking struct{ http.ResponseWriter }

func (w breaking) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, _, err := http.NewResponseController(w.ResponseWriter).Hijack()
	return broken{conn}, nil, err
}

// A connection that is lost on its admission has no session, and its span is none that never ends.
func TestLost(t *testing.T) {
	b := newBackend(t)
	up := b.upgrader()
	h := up.Handler(upgradetest.Run(upgradetest.Echo))
	addr := b.serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(breaking{w}, r) }))
	c := upgradetest.Connect(t, addr)
	c.SendBytes([]byte("GET /ws/lobby HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"))
	handshake := b.span(t, handshakeSpan)
	if handshake.Status.Code != otelcodes.Error || valueOf(handshake, "wsverdict.outcome") != "lost" ||
		valueOf(handshake, "error.type") != "*errors.errorString" || valueOf(handshake, "http.response.status_code") != nil {
		t.Errorf("%v, %v", handshake.Status, handshake.Attributes)
	}
	b.span(t, serverSpan)
	if n := len(b.spans.GetSpans()); n != 2 {
		t.Errorf("%d spans", n)
	}
	want := "http.route=/ws/{room},wsverdict.outcome=lost,wsverdict.policy=endpoint,wsverdict.verdict=allow"
	if got := b.points(t, "wsverdict.handshake.refusals"); got[want] != 1 {
		t.Errorf("refusals %v", got)
	}
}

func TestPolicyPanics(t *testing.T) {
	b := newBackend(t)
	up := b.upgrader()
	panics := policy.Named("gate", policy.Func(func(r *http.Request) policy.Verdict { panic("query " + r.URL.RawQuery) }))
	visit(t, b.serve(t, up.Use(panics)(up.Handler(upgradetest.Run(upgradetest.Echo)))), policy.Verdict{})
	handshake := b.span(t, handshakeSpan)
	if len(handshake.Events) != 2 || handshake.Events[0].Name != "exception" {
		t.Fatalf("events %v", handshake.Events)
	}
	text := encoded(handshake.Events[0].Attributes)
	if !strings.Contains(text, "exception.type=string") || !strings.Contains(text, "TestPolicyPanics") {
		t.Errorf("%s", text)
	}
}

// Nothing that a client sends gets in, and nothing that is not UTF-8 gets out.
func TestHostileText(t *testing.T) {
	b := newBackend(t)
	up := b.upgrader()
	const evil = "<evil>"
	gate := policy.Named("name\xff", policy.Func(func(r *http.Request) policy.Verdict {
		if r.URL.Query().Has("refuse") {
			return policy.Close(codes.Unauthorized, "token_malformed").WithCause(errors.New(r.Header.Get("Evil")))
		}
		return policy.Allow()
	}))
	addr := b.serve(t, up.Shadow(gate)(up.Use(gate)(up.Handler(upgradetest.Run(func(ctx context.Context, c *upgrade.Conn) error {
		_, p, _ := c.Read(ctx, nil)
		return errors.New(string(p))
	})))))
	for _, target := range []string{"/ws/" + evil + "?" + evil, "/ws/" + evil + "?refuse&" + evil} {
		c := upgradetest.Handshake(t, addr, target, upgradetest.Header("Evil", evil))
		if strings.Contains(target, "refuse") {
			c.WantClose(4401, "token_malformed;do=refresh")
		} else {
			c.SendText(evil)
			c.WantClose(1011, "internal_error;do=backoff")
		}
		c.Bye()
	}
	b.span(t, sessionSpan)
	var texts []string
	for _, s := range b.spans.GetSpans() {
		if !strings.HasSuffix(s.InstrumentationScope.Name, "otelupgrade") {
			continue
		}
		list := s.Attributes
		for _, e := range s.Events {
			list = append(list, e.Attributes...)
		}
		texts = append(texts, s.Name, s.Status.Description)
		for _, a := range list {
			texts = append(texts, a.Value.String())
		}
	}
	for _, name := range []string{"wsverdict.handshake.refusals", "wsverdict.shadowed", "wsverdict.connection.duration"} {
		for _, labels := range b.labels(t, name) {
			for _, a := range labels {
				texts = append(texts, a.Value.String())
			}
		}
	}
	if !slices.Contains(texts, "name\uFFFD") {
		t.Errorf("the policy's name is missing: %q", texts)
	}
	for _, text := range texts {
		if !utf8.ValidString(text) || strings.Contains(text, "evil") {
			t.Errorf("%q", text)
		}
	}
}

// A program that makes up slugs loses no count, and the SDK's bound on attributes holds.
func TestMadeUpSlugs(t *testing.T) {
	b := newBackend(t)
	r, err := http.NewRequest("GET", "/", nil)
	if err != nil {
		t.Fatal(err)
	}
	const n = 2500
	for i := range n {
		b.Observe(upgrade.Event{Request: r, Context: t.Context(), Outcome: upgrade.Closed,
			Verdict: policy.Close(codes.Forbidden, fmt.Sprintf("made_up_%d", i))})
	}
	points := b.points(t, "wsverdict.handshake.refusals")
	var sum int64
	for _, value := range points {
		sum += value
	}
	if len(points) > 2000 || sum != n {
		t.Errorf("%d of %d are counted in %d rows", sum, n, len(points))
	}
}
