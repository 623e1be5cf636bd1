package upgrade_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

// outerHeader is what a hostile or careless neighbour may have set.
func outerHeader() http.Header {
	return http.Header{
		"Set-Cookie":                {"a=1; HttpOnly", "b=2"},
		"X-Request-Id":              {"42"},
		"X-Tab":                     {"a\tb"},
		"Strict-Transport-Security": {"max-age=1"},

		"Content-Type": {"text/html"}, "Content-Length": {"5"}, "Content-Encoding": {"gzip"}, "CONTENT-LANGUAGE": {"en"},
		"Connection": {"X-Hop, close"}, "X-Hop": {"1"}, "Keep-Alive": {"timeout=5"}, "Proxy-Authenticate": {"Basic"},
		"Te": {"trailers"}, "Trailer": {"X-End"}, "Transfer-Encoding": {"chunked"}, "upgrade": {"h2c"},
		"Sec-Websocket-Extensions": {"permessage-deflate"}, "Sec-WebSocket-Protocol": {"evil"},
		"sec-websocket-accept": {"evil"}, "Sec-Websocket-Version": {"8"},
		"X-Split":           {"a\r\nX-Injected: 1", "b\nX-Injected: 1", "c\rX-Injected: 1", "d\x00"},
		"X-Name: 1\r\nX-In": {"1"}, "": {"empty"}, "X Space": {"1"}, http.TrailerPrefix + "X-End": {"1"},
	}
}

func TestOuterHeaders(t *testing.T) {
	outer := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			for name, values := range outerHeader() {
				w.Header()[name] = values
			}
			next.ServeHTTP(w, r)
		})
	}
	want := map[string]string{
		"Upgrade": "websocket", "Connection": "Upgrade", "Sec-Websocket-Accept": "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
		"Set-Cookie": "a=1; HttpOnly|b=2", "X-Request-Id": "42", "X-Tab": "a\tb", "Strict-Transport-Security": "max-age=1",
	}
	up := &upgrade.Upgrader{}
	for name, h := range map[string]http.Handler{
		"admitted": up.Handler(run(closeExpired)),
		"closed":   up.Use(always(expired))(forbidden(t)),
	} {
		t.Run(name, func(t *testing.T) {
			c, res := handshake(t, newServer(t, outer(h)))
			wantStatus(t, res, 101)
			c.wantClose(4401, expiredText) // nothing stands between the header and the frame
			for name, values := range res.Header {
				if got := strings.Join(values, "|"); got != want[name] {
					t.Errorf("%s: got %q, want %q", name, got, want[name])
				}
			}
			if len(res.Header) != len(want) {
				t.Errorf("got %d fields, want %d", len(res.Header), len(want))
			}
			c.bye()
		})
	}
}

// A header larger than net/http's buffer still leaves in order.
func TestLargeOuterHeader(t *testing.T) {
	large := strings.Repeat("x", 20_000)
	up := &upgrade.Upgrader{}
	addr := newServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Large", large)
		up.Use(always(expired))(forbidden(t)).ServeHTTP(w, r)
	}))
	c, res := handshake(t, addr)
	if got := res.Header.Get("X-Large"); got != large {
		t.Errorf("got %d bytes of %d", len(got), len(large))
	}
	c.wantClose(4401, expiredText)
	c.bye()
}

func TestStatusReplacesContent(t *testing.T) {
	up := &upgrade.Upgrader{}
	addr := newServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "text/html")
		h.Set("Content-Length", "5")
		h.Set("Content-Encoding", "gzip")
		h.Set("Etag", `"x"`)
		h.Set("Cache-Control", "public, max-age=60")
		h.Set("Expires", "Thu, 01 Jan 2099 00:00:00 GMT")
		h.Set("Content-Disposition", "attachment")
		h.Set("Content-Range", "bytes 0-4/5")
		h.Set("Content-Language", "de")
		h.Set("Content-Security-Policy", "default-src 'none'")
		h.Set("Accept-Ranges", "bytes")
		h.Set("X-Request-Id", "42")
		h.Set("Www-Authenticate", "Basic")
		up.Use(always(expired.WithAfter(1500*1e6).WithHeader("Www-Authenticate", "Bearer")))(forbidden(t)).ServeHTTP(w, r)
	}))
	c, res := handshake(t, addr, "-Upgrade")
	wantStatus(t, res, 401)
	if res.ContentLength <= 5 {
		t.Errorf("Content-Length %d is the outer handler's", res.ContentLength)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/problem+json", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store",
		"Content-Encoding": "", "Etag": "", "Expires": "", "Content-Disposition": "", "Content-Range": "", "Content-Language": "",
		"Accept-Ranges": "", "Content-Security-Policy": "default-src 'none'", "Vary": "", "X-Request-Id": "42", "Www-Authenticate": "Basic|Bearer", "Retry-After": "2",
	} {
		if got := strings.Join(res.Header[name], "|"); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	want := problem{Status: 401, Title: "Unauthorized", Detail: "Valid credentials are required.", Code: 4401, Slug: "token_expired",
		Action: "refresh", After: 2}
	if got := problemOf(t, res); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	c.send(request("HEAD /ws HTTP/1.1", "-Upgrade"))
	if res, err := http.ReadResponse(c.in, &http.Request{Method: "HEAD"}); err != nil || res.StatusCode != 401 {
		t.Errorf("HEAD: got %v, %v", res, err)
	}
	c.send(request("-Upgrade")) // a body behind HEAD's header would be taken for this answer
	wantStatus(t, c.response(), 401)
}

func TestProblemHidesCauseAndEscapes(t *testing.T) {
	up := &upgrade.Upgrader{}
	detail := "a \"quote\", a \\, a <tag>, a \x01 and an ü"
	v := expired.WithCause(fmt.Errorf("secret: %w", http.ErrNoCookie)).WithDetail(detail)
	_, res := handshake(t, newServer(t, up.Use(always(v))(forbidden(t))), "-Upgrade")
	if p := problemOf(t, res); p.Detail != detail {
		t.Errorf("got detail %q, want %q", p.Detail, detail)
	}
}

// Middlewares rewrite header values in place; a response must not be able to change the next one.
func TestHeaderValuesAreNotShared(t *testing.T) {
	up := &upgrade.Upgrader{Subprotocols: []string{"bearer"}}
	h := up.Use(policy.Named("p", always(expired.WithAfter(3*1e9).WithHeader("Www-Authenticate", "Bearer"))))(forbidden(t))
	addr := newServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(rewriter{w}, r)
		for _, values := range w.Header() {
			for i := range values {
				values[i] = "rewritten"
			}
			_ = append(values, "spoilt") // nor may two fields of one response lie side by side
		}
	}))
	c := dial(t, addr)
	for range 3 {
		c.send(request("-Upgrade"))
		res := c.response()
		wantStatus(t, res, 401)
		for name, want := range map[string]string{
			"Content-Type": "application/problem+json!", "X-Content-Type-Options": "nosniff!", "Cache-Control": "no-store!",
			"Retry-After": "3!", "Www-Authenticate": "Bearer!",
		} {
			if got := strings.Join(res.Header[name], "|"); got != want {
				t.Errorf("%s: got %q, want %q", name, got, want)
			}
		}
	}
}

// rewriter changes every value in place before it is sent.
type rewriter struct{ http.ResponseWriter }

func (w rewriter) WriteHeader(status int) {
	for _, values := range w.Header() {
		_ = append(values, "spoilt")
	}
	for _, values := range w.Header() {
		for i := range values {
			values[i] += "!"
		}
	}
	w.ResponseWriter.WriteHeader(status)
}
