package upgrade_test

import (
	"context"
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
		status  int
		slug    string
		header  map[string]string
		late    string // a body sent after the answer: net/http waits for it, the answer must not
		closes  bool   // the connection is given up, rightly
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
		{name: "HTTP/1.0", changes: []string{"GET /ws HTTP/1.0"}, status: 426, slug: "upgrade_required", closes: true},
		{name: "no version", changes: []string{"-Sec-WebSocket-Version"}, status: 426, slug: "websocket_version_not_supported",
			header: map[string]string{"Sec-Websocket-Version": "13", "Upgrade": "websocket"}},
		{name: "version 8", changes: []string{"Sec-WebSocket-Version: 8"}, status: 426, slug: "websocket_version_not_supported"},
		{name: "version 13 twice", changes: []string{"+Sec-WebSocket-Version: 13"}, status: 426, slug: "websocket_version_not_supported"},
		{name: "versions 13, 8", changes: []string{"Sec-WebSocket-Version: 13, 8"}, status: 426, slug: "websocket_version_not_supported"},
		{name: "Content-Length", changes: []string{"+Content-Length: 5"}, body: body, status: 400, slug: "handshake_with_body", closes: true},
		{name: "chunked", changes: []string{"+Transfer-Encoding: chunked"}, body: "5\r\nhello\r\n0\r\n\r\n", status: 400, slug: "handshake_with_body", closes: true},
		{name: "chunked and empty", changes: []string{"+Transfer-Encoding: chunked"}, body: "0\r\n\r\n", status: 400, slug: "handshake_with_body", closes: true},
		{name: "a body that comes late", changes: []string{"+Content-Length: 5"}, status: 400, slug: "handshake_with_body", late: body, closes: true},
		{name: "Expect", changes: []string{"+Content-Length: 5", "+Expect: 100-continue"}, status: 400, slug: "handshake_with_body", late: body, closes: true},
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
			c.send(tc.late)
			if tc.closes {
				c.wantEOF()
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

// An extended CONNECT (RFC 8441) is HTTP/2 all the same.
func TestHTTP2InMemory(t *testing.T) {
	up := &upgrade.Upgrader{}
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
			wantStatus(t, w.Result(), tc.want)
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
