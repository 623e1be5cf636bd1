package otelupgrade_test

import (
	"testing"

	"github.com/go-chi/chi/v5"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade/otelupgrade"
	"github.com/wsverdict/wsverdict/upgrade/upgradetest"
)

// Over HTTP/2 the request's span lasts as long as the connection; the handshake's is complete before.
func TestHTTP2(t *testing.T) {
	b := newBackend(t)
	up := b.upgrader()
	r := chi.NewRouter()
	r.Use(otelupgrade.NewMiddleware("test", b.http...))
	r.Handle("/ws/{room}", up.Handler(upgradetest.Run(upgradetest.Echo)))
	r.With(up.Use(always(policy.Close(codes.Unauthorized, "token_expired")))).Handle("/no", up.Handler(upgradetest.Run(upgradetest.Echo)))
	srv := upgradetest.ServeHTTP2(t, r)

	c := upgradetest.HandshakeHTTP2(t, srv, "/ws/lobby", upgradetest.Header())
	c.Say("hello", "hello")
	handshake := b.span(t, handshakeSpan)
	if n := len(b.spans.GetSpans()); n != 1 {
		t.Errorf("%d spans while it lives", n)
	}
	c.Leave(1000)
	server, session := b.span(t, "CONNECT /ws/{room}"), b.span(t, sessionSpan)
	if handshake.Parent.SpanID() != server.SpanContext.SpanID() || len(session.Links) != 1 ||
		session.Links[0].SpanContext.SpanID() != handshake.SpanContext.SpanID() {
		t.Errorf("the handshake is below %v, the session links to %v", handshake.Parent.SpanID(), session.Links)
	}
	if valueOf(server, "http.response.status_code") != int64(200) || valueOf(server, "wsverdict.outcome") != "admitted" {
		t.Errorf("otelhttp's span has %v", server.Attributes)
	}

	c = upgradetest.HandshakeHTTP2(t, srv, "/no", upgradetest.Header())
	c.WantClose(4401, "token_expired;do=refresh")
	c.Bye()
	refused := b.span(t, "websocket handshake /no")
	if valueOf(refused, "http.response.status_code") != int64(200) || valueOf(refused, "wsverdict.outcome") != "closed" {
		t.Errorf("%v", refused.Attributes)
	}
	if s := b.span(t, "CONNECT /no"); valueOf(s, "wsverdict.outcome") != "closed" {
		t.Errorf("otelhttp's span has %v", s.Attributes)
	}
}
