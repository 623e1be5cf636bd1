package upgrade_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/upgrade"
)

func TestHandshakeErrors(t *testing.T) {
	const body = "hello"
	up := &upgrade.Upgrader{Subprotocols: []string{"chat.v1", "bearer"}}
	addr := newServer(t, up.Handler(func(r *http.Request) (upgrade.Session, error) {
		t.Errorf("the endpoint was asked about %q", r.Header)
		return idle, nil
	}))
	for _, tc := range []struct {
		name    string
		changes []string
		body    string
		late    string // sent after the answer: net/http waits for it, the answer must not
		status  int
		slug    string
		header  map[string]string
	}{
		{name: "POST", changes: []string{"POST /ws HTTP/1.1", "+Content-Length: 0"}, status: 405, slug: "method_not_allowed",
			header: map[string]string{"Allow": "GET"}},
		{name: "CONNECT", changes: []string{"CONNECT example.com:80 HTTP/1.1", "Host: example.com:80"}, status: 405, slug: "method_not_allowed"},
		{name: "plain GET", changes: []string{"-Upgrade", "-Connection"}, status: 426, slug: "upgrade_required",
			header: map[string]string{"Upgrade": "websocket", "Connection": "Upgrade"}},
		{name: "no Upgrade", changes: []string{"-Upgrade"}, status: 426, slug: "upgrade_required"},
		{name: "Connection without Upgrade", changes: []string{"Connection: keep-alive"}, status: 426, slug: "upgrade_required"},
		{name: "other protocol", changes: []string{"Upgrade: h2c"}, status: 426, slug: "upgrade_required"},
		{name: "a longer word", changes: []string{"Upgrade: websockets"}, status: 426, slug: "upgrade_required"},
		{name: "a quoted word", changes: []string{`Connection: "Upgrade"`}, status: 426, slug: "upgrade_required"},
		{name: "HTTP/1.0", changes: []string{"GET /ws HTTP/1.0"}, status: 426, slug: "upgrade_required"},
		{name: "no version", changes: []string{"-Sec-WebSocket-Version"}, status: 426, slug: "websocket_version_not_supported",
			header: map[string]string{"Sec-Websocket-Version": "13", "Upgrade": "websocket"}},
		{name: "version 8", changes: []string{"Sec-WebSocket-Version: 8"}, status: 426, slug: "websocket_version_not_supported"},
		{name: "version 13 twice", changes: []string{"+Sec-WebSocket-Version: 13"}, status: 426, slug: "websocket_version_not_supported"},
		{name: "versions 13, 8", changes: []string{"Sec-WebSocket-Version: 13, 8"}, status: 426, slug: "websocket_version_not_supported"},
		{name: "Content-Length", changes: []string{"+Content-Length: 5"}, body: body, status: 400, slug: "handshake_with_body"},
		{name: "chunked", changes: []string{"+Transfer-Encoding: chunked"}, body: "5\r\nhello\r\n0\r\n\r\n", status: 400, slug: "handshake_with_body"},
		{name: "chunked and empty", changes: []string{"+Transfer-Encoding: chunked"}, body: "0\r\n\r\n", status: 400, slug: "handshake_with_body"},
		{name: "a body that comes late", changes: []string{"+Content-Length: 5"}, status: 400, slug: "handshake_with_body", late: body},
		{name: "Expect", changes: []string{"+Content-Length: 5", "+Expect: 100-continue"}, status: 400, slug: "handshake_with_body", late: body},
		{name: "empty Host", changes: []string{"Host: ", "-Origin"}, status: 400, slug: "host_missing"},
		{name: "no key", changes: []string{"-Sec-WebSocket-Key"}, status: 400, slug: "websocket_key_invalid"},
		{name: "two keys", changes: []string{"+Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="}, status: 400, slug: "websocket_key_invalid"},
		{name: "key of 18 bytes", changes: []string{"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQAA"}, status: 400, slug: "websocket_key_invalid"},
		{name: "key of 17 bytes", changes: []string{"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQA="}, status: 400, slug: "websocket_key_invalid"},
		{name: "key of 24 others", changes: []string{"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j-_=="}, status: 400, slug: "websocket_key_invalid"},
		{name: "empty key", changes: []string{"Sec-WebSocket-Key: "}, status: 400, slug: "websocket_key_invalid"},
		{name: "no common subprotocol", changes: []string{"+Sec-WebSocket-Protocol: chat.v2, CHAT.V1"}, status: 406, slug: "no_common_subprotocol"},
		{name: "malformed subprotocol", changes: []string{"+Sec-WebSocket-Protocol: chat.v1, a b"}, status: 400, slug: "subprotocols_malformed"},
		{name: "empty subprotocols", changes: []string{"+Sec-WebSocket-Protocol: ,"}, status: 400, slug: "subprotocols_malformed"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := dial(t, addr)
			c.send(request(tc.changes...) + tc.body)
			res := c.response()
			wantStatus(t, res, tc.status)
			p := problemOf(t, res)
			if want := 4000 + tc.status; p.Slug != tc.slug || p.Status != tc.status || p.Code != want || p.Action != "stop" {
				t.Errorf("got problem %+v, want slug %q", p, tc.slug)
			}
			for name, want := range tc.header {
				if got := res.Header[name]; len(got) != 1 || got[0] != want {
					t.Errorf("%s: got %q, want %q", name, got, want)
				}
			}
			if strings.Contains(request(tc.changes...), "Upgrade:") {
				if !res.Close {
					t.Error("a tunnel to this server would stay open")
				}
				c.send(tc.late)
				c.wantEnd()
				return
			}
			// Had it been hijacked, nobody would answer this.
			c.send(request("-Upgrade"))
			wantStatus(t, c.response(), 426)
		})
	}
}

func TestHandshakeAccepted(t *testing.T) {
	up := &upgrade.Upgrader{Subprotocols: []string{"chat.v1", "bearer", "chat.v2"}}
	addr := newServer(t, up.Handler(run(func(_ context.Context, c *upgrade.Conn) error {
		if c.Subprotocol() == "" {
			return nil
		}
		return expired
	})))
	for _, tc := range []struct {
		name     string
		changes  []string
		protocol string
	}{
		{name: "as Chromium sends it"},
		{name: "as Firefox sends it", changes: []string{"Connection: keep-alive, Upgrade"}},
		{name: "two Connection lines", changes: []string{"Connection: keep-alive", "+Connection: Upgrade"}},
		{name: "two Upgrade lines", changes: []string{"Upgrade: h2c", "+Upgrade: websocket"}},
		{name: "any case", changes: []string{"Connection: uPGRADE", "Upgrade: WebSocket"}},
		{name: "white space and empty elements", changes: []string{"Connection: ,, keep-alive\t, \tUpgrade ,"}},
		{name: "Content-Length 0", changes: []string{"+Content-Length: 0"}},
		{name: "the client's order", changes: []string{"+Sec-WebSocket-Protocol: other, chat.v2, chat.v1"}, protocol: "chat.v2"},
		{name: "over two lines", changes: []string{"+Sec-WebSocket-Protocol: other", "+Sec-WebSocket-Protocol: chat.v1"}, protocol: "chat.v1"},
		{name: "a token is never echoed", changes: []string{"+Sec-WebSocket-Protocol: eyJhbGciOi.e30.c2ln, bearer"}, protocol: "bearer"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, res := handshake(t, addr, tc.changes...)
			wantStatus(t, res, 101)
			for name, want := range map[string]string{
				"Connection": "Upgrade", "Upgrade": "websocket",
				"Sec-Websocket-Accept": "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", // RFC 6455 §1.3
			} {
				if got := res.Header[name]; len(got) != 1 || got[0] != want {
					t.Errorf("%s: got %q, want %q", name, got, want)
				}
			}
			if got := strings.Join(res.Header["Sec-Websocket-Protocol"], "|"); got != tc.protocol {
				t.Errorf("chose %q, want %q", got, tc.protocol)
			}
			if tc.protocol == "" {
				c.wantClose(1000, "")
			} else {
				c.wantClose(4401, expiredText) // the session was told
			}
			c.bye()
		})
	}
}

// A refusal echoes a subprotocol too: without one Chromium fails the connection, and the code is lost.
func TestDenialChoosesSubprotocol(t *testing.T) {
	up := &upgrade.Upgrader{Subprotocols: []string{"bearer"}}
	addr := newServer(t, up.Use(always(expired))(forbidden(t)))
	c, res := handshake(t, addr, "+Sec-WebSocket-Protocol: eyJhbGciOi.e30.c2ln, bearer")
	wantStatus(t, res, 101)
	if got := res.Header["Sec-Websocket-Protocol"]; len(got) != 1 || got[0] != "bearer" {
		t.Errorf("chose %q", got)
	}
	c.wantClose(4401, expiredText)
	c.bye()
}

func TestHTTP2(t *testing.T) {
	up := &upgrade.Upgrader{}
	srv := httptest.NewUnstartedServer(wrap(up.Handler(run(idle)), foreign))
	srv.EnableHTTP2 = true
	srv.StartTLS()
	defer srv.Close()
	res, err := srv.Client().Get(srv.URL + "/ws")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.ProtoMajor != 2 {
		t.Fatalf("got %s", res.Proto)
	}
	wantStatus(t, res, 505)
	if p := problemOf(t, res); p.Slug != "http_version_not_supported" {
		t.Errorf("got %+v", p)
	}
}

// TestDisableHTTP2: an extended CONNECT (RFC 8441) is HTTP/2 all the same. Whoever denies it says what
// made it come.
func TestDisableHTTP2(t *testing.T) {
	events := newRecorder()
	up := &upgrade.Upgrader{Observer: events, DisableHTTP2: true}
	for _, tc := range []struct {
		name string
		h    http.Handler
		want int
	}{
		{"admitted", up.Handler(run(idle)), 505},
		{"denied", up.Use(always(expired))(up.Handler(run(idle))), 401},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := httptest.NewRequest("CONNECT", "https://example.com/ws", nil)
			r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/2.0", 2, 0
			r.Header.Set(":protocol", "websocket")
			w := httptest.NewRecorder()
			tc.h.ServeHTTP(w, r)
			res := w.Result()
			wantStatus(t, res, tc.want)
			if p := problemOf(t, res); tc.want == 505 && p.Action != "stop" {
				t.Errorf("got %+v", p)
			}
			e := events.Next(t)
			if err := errors.Join(e.Verdict.Cause(), e.Err); e.Why != upgrade.WhyHTTP2 || !strings.Contains(fmt.Sprint(err), "GODEBUG=http2xconnect=1") {
				t.Errorf("got %+v, %v", e, err)
			}
		})
	}
}

func TestSubprotocolsEndAtMalformed(t *testing.T) {
	r := &http.Request{Header: http.Header{"Sec-Websocket-Protocol": {"a, b", "c d, e"}}}
	var got []string
	for p := range upgrade.Subprotocols(r) {
		got = append(got, p)
	}
	if strings.Join(got, "|") != "a|b" {
		t.Errorf("got %q", got)
	}
	for range upgrade.Subprotocols(r) {
		break // the iterator must bear it
	}
}

func TestEndpointVerdictWithStatus(t *testing.T) {
	up := &upgrade.Upgrader{}
	addr := newServer(t, up.Handler(func(*http.Request) (upgrade.Session, error) {
		return nil, expired.WithStatus(401).WithHeader("Www-Authenticate", "Bearer").Hide()
	}))
	_, res := handshake(t, addr)
	wantStatus(t, res, 401)
	if res.Header.Get("Www-Authenticate") != "Bearer" {
		t.Errorf("got header %q", res.Header)
	}
	if p := problemOf(t, res); p.Code != int(codes.Unauthorized) {
		t.Errorf("got %+v", p)
	}
}

// TestRefusedSubprotocol is WV5 of docs/protocol.md.
func TestRefusedSubprotocol(t *testing.T) {
	up := &upgrade.Upgrader{Subprotocols: []string{"chat.v1"}}
	seen := make(chan string, 1)
	admits := newServer(t, up.Handler(run(func(_ context.Context, c *upgrade.Conn) error { seen <- c.Subprotocol(); return nil })))
	refuses := newServer(t, up.Use(always(expired))(forbidden(t)))
	for _, tc := range []struct {
		offered           string
		admitted, refused string // the subprotocol chosen
		session           string // the one that the session sees
	}{
		{"", "", "", ""},
		{"chat.v1", "chat.v1", "chat.v1", "chat.v1"},
		{"chat.v1, wsverdict.refused", "chat.v1", "wsverdict.refused", "chat.v1"},
		{"wsverdict.refused, chat.v1", "chat.v1", "wsverdict.refused", "chat.v1"},
		{"wsverdict.v1, wsverdict.refused", "wsverdict.v1", "wsverdict.refused", ""},
		{"wsverdict.v1", "wsverdict.v1", "wsverdict.v1", ""},
	} {
		offer := "+Sec-WebSocket-Protocol: " + tc.offered
		if tc.offered == "" {
			offer = "-Nothing"
		}
		c, res := handshake(t, admits, offer)
		wantStatus(t, res, 101)
		c.wantClose(1000, "")
		if got := res.Header.Get("Sec-Websocket-Protocol"); got != tc.admitted {
			t.Errorf("%q: admitted with %q, want %q", tc.offered, got, tc.admitted)
		}
		if got := receive(t, seen); got != tc.session {
			t.Errorf("%q: the session sees %q, want %q", tc.offered, got, tc.session)
		}
		c, res = handshake(t, refuses, offer)
		wantStatus(t, res, 101)
		c.wantClose(4401, expiredText)
		if got := res.Header.Get("Sec-Websocket-Protocol"); got != tc.refused {
			t.Errorf("%q: refused with %q, want %q", tc.offered, got, tc.refused)
		}
	}
	// Nothing in common: a client that offered the marker can be told.
	c, res := handshake(t, admits, "+Sec-WebSocket-Protocol: other, wsverdict.refused")
	wantStatus(t, res, 101)
	c.wantClose(4406, "no_common_subprotocol;do=stop")
	if got := res.Header.Get("Sec-Websocket-Protocol"); got != "wsverdict.refused" {
		t.Errorf("nothing in common: %q", got)
	}
	for _, offered := range []string{"other", "other, wsverdict.v1"} {
		_, res = handshake(t, admits, "+Sec-WebSocket-Protocol: "+offered)
		wantStatus(t, res, 406)
	}
	// And nobody else's Origin is told that way either.
	_, res = handshake(t, admits, "+Sec-WebSocket-Protocol: other, wsverdict.refused", "Origin: https://evil.example")
	wantStatus(t, res, 403)
	_, res = handshake(t, refuses, "+Sec-WebSocket-Protocol: wsverdict.refused", "Origin: https://evil.example")
	wantStatus(t, res, 401)
	got := panicOf(t, func() { (&upgrade.Upgrader{Subprotocols: []string{"wsverdict.refused"}}).Use(always(expired)) })
	if !strings.Contains(got, `"wsverdict.refused"`) {
		t.Errorf("panic %q", got)
	}
}

// TestRewrittenHost: what the Observer, and the log, say of a page that a proxy keeps from its own server.
func TestRewrittenHost(t *testing.T) {
	for _, tc := range []struct {
		origin, host string
		asks         bool
	}{
		{"https://app.example.com", "127.0.0.1:9201", true},
		{"https://app.example.com", "[::1]:9201", true},
		{"https://app.example.com", "backend", true},
		{"https://app.example.com:8443", "app.example.com", true},
		{"https://evil.example", "app.example.com", false},
		{"null", "127.0.0.1", false},
	} {
		events := newRecorder()
		up := &upgrade.Upgrader{Observer: events}
		for by, h := range map[string]http.Handler{"endpoint": up.Handler(run(idle)), "link": up.Use(always(expired))(forbidden(t))} {
			c, res := handshake(t, newServer(t, h), "Host: "+tc.host, "Origin: "+tc.origin)
			e := events.Next(t)
			err := errors.Join(e.Verdict.Cause(), e.Err)
			var foreign *upgrade.OriginError
			if e.Why != upgrade.WhyOrigin || !errors.As(err, &foreign) || foreign.Origin != tc.origin || foreign.Host != tc.host {
				t.Errorf("%s: %+v", by, e)
			}
			if asks := strings.Contains(err.Error(), "does a proxy rewrite Host?"); asks != tc.asks {
				t.Errorf("%s: %v", by, err)
			}
			if res.Header.Get("Vary") != "Origin" {
				t.Errorf("%s: Vary %q", by, res.Header.Get("Vary"))
			}
			if body, _ := io.ReadAll(res.Body); strings.Contains(string(body), "proxy") || strings.Contains(string(body), tc.host) {
				t.Errorf("%s: %s was sent", by, body)
			}
			c.wantEnd()
		}
	}
}
