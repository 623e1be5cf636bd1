package middleware_test

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/gobwas/ws"

	"github.com/wsverdict/wsverdict/middleware"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
	"github.com/wsverdict/wsverdict/upgrade/upgradetest"
)

var (
	chains = flag.Int("chains", 400, "how many random chains TestRandomChains tries")
	seed   = flag.Uint64("seed", 0, "where its random numbers begin; 0 for somewhere new")
)

// TestRandomChains tries random chains with random requests over real sockets, and holds what comes
// out against a model: the answer, which policies were asked, and whether the endpoint ran.
//
//	go test ./middleware -run TestRandomChains -chains 100000
func TestRandomChains(t *testing.T) {
	if *seed == 0 {
		*seed = rand.Uint64()
	}
	t.Logf("-seed %d", *seed)
	g := &generator{Rand: rand.New(rand.NewPCG(*seed, 0))}
	var handler atomic.Pointer[http.Handler]
	addr := live(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*handler.Load()).ServeHTTP(w, r) }))
	over2 := upgradetest.ServeHTTP2(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Host = ownHost // the client cannot say another than the server's address
		(*handler.Load()).ServeHTTP(w, r)
	}))
	ups := [2]*upgrade.Upgrader{}
	for i := range ups {
		ups[i] = &upgrade.Upgrader{Subprotocols: []string{"chat.v1"}, LingerTimeout: time.Hour, Observer: upgrade.ObserverFunc(func(upgrade.Event) {})}
	}
	for range *chains {
		parts, endpoint := g.chain(), pick(g, "admit", "admit", "admit", "deny", "panic", "plain")
		var seen judged
		var ran atomic.Bool
		h := mountParts(ups, parts, endpoint, &seen, &ran)
		handler.Store(&h)
		for range 4 {
			a := g.ask()
			seen.ids = nil
			ran.Store(false)
			var got outcome
			if a.http2 {
				got = askForStream(t, over2, a)
			} else {
				got = askFor(t, addr, a)
			}
			got.judged, got.ran = seen.ids, ran.Load()
			m := model{ask: a, endpoint: endpoint}
			if want := m.run(parts); !slices.Equal(got.judged, want.judged) || got.String() != want.String() {
				t.Fatalf("chain %v, then %s\nrequest %+v\ngot  %v\nwant %v\n-seed %d", parts, endpoint, a, got, want, *seed)
			}
		}
	}
	for _, up := range ups {
		wantEmpty(t, up)
	}
}

// chain is random, but for an Origin link directly behind another link: that panics when mounted.
func (g *generator) chain() (parts []part) {
	g.leaves = 0
	for range g.IntN(7) {
		p := part{kind: pick(g, "use", "use", "use", "shadow", "origin", "origin", "plain", "router",
			"rewrite Origin", "drop Origin", "rewrite Host", "hide Hijack", "new context"),
			owner: pick(g, 0, 0, 0, 1)}
		switch p.kind {
		case "use", "shadow":
			p.term = g.term(2)
		case "rewrite Origin":
			p.to = pick(g, listedOrigin, foreignOrigin, "https://"+ownHost)
		case "rewrite Host":
			p.to = pick(g, "10.0.0.7:8080", "listed.example.org")
		}
		if p.kind == "origin" && len(parts) > 0 && parts[len(parts)-1].isLink() {
			continue
		}
		parts = append(parts, p)
	}
	return parts
}

func (g *generator) ask() ask {
	a := ask{
		fault:        pick(g, "", "", "", "", "", "method", "no upgrade", "version", "key", "body"),
		subprotocols: pick(g, "", "", "", "chat.v1", "other, chat.v1", "other", "a/b"),
		when:         g.IntN(2) == 0,
	}
	if g.IntN(8) == 0 {
		a.http2, a.fault = true, pick(g, "", "", "", "version")
	}
	switch g.IntN(6) {
	case 0:
	case 1, 2:
		a.origins = []string{listedOrigin}
	case 3:
		a.origins = []string{"https://" + ownHost}
	case 4:
		a.origins = []string{pick(g, foreignOrigin, "null", "https://"+ownHost+".evil.example")}
	case 5:
		a.origins = []string{listedOrigin, pick(g, listedOrigin, foreignOrigin)}
	}
	return a
}

// mountParts builds the chain from its end.
func mountParts(ups [2]*upgrade.Upgrader, parts []part, endpoint string, seen *judged, ran *atomic.Bool) http.Handler {
	var h http.Handler = ups[0].Handler(func(*http.Request) (upgrade.Session, error) {
		ran.Store(true)
		switch endpoint {
		case "deny":
			return nil, fmt.Errorf("no: %w", policy.Close(4711, "no_room"))
		case "panic":
			panic("endpoint")
		}
		return func(context.Context, *upgrade.Conn) error { return nil }, nil
	})
	if endpoint == "plain" {
		h = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { ran.Store(true) })
	}
	for _, p := range slices.Backward(parts) {
		h = mountPart(ups[p.owner], p, h, seen)
	}
	return h
}

func mountPart(up *upgrade.Upgrader, p part, next http.Handler, seen *judged) http.Handler {
	foreign := func(f func(w http.ResponseWriter, r *http.Request)) http.Handler { return http.HandlerFunc(f) }
	switch p.kind {
	case "use":
		return up.Use(p.term.policy(seen))(next)
	case "shadow":
		return up.Shadow(p.term.policy(seen))(next)
	case "origin":
		return middleware.For(up).Origin(listedOrigin, "https://"+ownHost)(next)
	case "router":
		r := chi.NewRouter()
		r.Route("/", func(r chi.Router) { r.Handle("/*", next) })
		return r
	case "rewrite Origin":
		return foreign(func(w http.ResponseWriter, r *http.Request) {
			r.Header["Origin"] = []string{p.to}
			next.ServeHTTP(w, r)
		})
	case "drop Origin":
		return foreign(func(w http.ResponseWriter, r *http.Request) {
			r.Header.Del("Origin")
			next.ServeHTTP(w, r)
		})
	case "rewrite Host":
		return foreign(func(w http.ResponseWriter, r *http.Request) {
			r.Host = p.to
			next.ServeHTTP(w, r)
		})
	case "hide Hijack":
		return foreign(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(struct{ http.ResponseWriter }{w}, r)
		})
	case "new context":
		return foreign(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(w, r.WithContext(context.Background())) })
	}
	return foreign(next.ServeHTTP)
}

// askFor sends the request and reads all of the answer.
func askFor(t *testing.T, addr string, a ask) (o outcome) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	method, version, key := "GET", "13", "dGhlIHNhbXBsZSBub25jZQ=="
	switch a.fault {
	case "method":
		method = "POST"
	case "version":
		version = "8"
	case "key":
		key = "short"
	}
	b := fmt.Appendf(nil, "%s /ws HTTP/1.1\r\nHost: %s\r\nSec-WebSocket-Version: %s\r\nSec-WebSocket-Key: %s\r\n", method, ownHost, version, key)
	if a.fault != "no upgrade" {
		b = append(b, "Connection: Upgrade\r\nUpgrade: websocket\r\n"...)
	}
	if a.fault == "body" {
		b = append(b, "Content-Length: 2\r\n"...)
	}
	if a.when {
		b = append(b, "X-When: yes\r\n"...)
	}
	for _, origin := range a.origins {
		b = fmt.Appendf(b, "Origin: %s\r\n", origin)
	}
	if a.subprotocols != "" {
		b = fmt.Appendf(b, "Sec-WebSocket-Protocol: %s\r\n", a.subprotocols)
	}
	b = append(b, "\r\n"...)
	if a.fault == "body" {
		b = append(b, "{}"...)
	}
	if _, err := conn.Write(b); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatalf("%v: %+v", err, a)
	}
	o.status = resp.StatusCode
	if o.status != http.StatusSwitchingProtocols {
		resp.Body.Close()
		return o
	}
	o.readClose(t, conn, r, resp, a)
	return o
}

// readClose reads what is behind an acceptance.
func (o *outcome) readClose(t *testing.T, w io.Writer, r io.Reader, resp *http.Response, a ask) {
	t.Helper()
	if got := resp.Header.Get("Sec-Websocket-Protocol"); got != strings.TrimPrefix(a.subprotocols, "other, ") {
		t.Fatalf("subprotocol %q for %+v", got, a)
	}
	f, err := upgradetest.ReadFrame(r)
	if err != nil || f.Header.OpCode != ws.OpClose {
		t.Fatalf("%+v %v: want a close frame", f.Header, err)
	}
	code, reason := ws.ParseCloseFrameData(f.Payload)
	o.code = int(code)
	o.slug, _, _ = strings.Cut(reason, ";")
	if err := ws.WriteFrame(w, ws.MaskFrame(ws.NewCloseFrame(f.Payload[:2]))); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Read(make([]byte, 1)); err != io.EOF {
		t.Fatalf("behind the close frame: %v, want EOF", err)
	}
}

// askForStream is askFor by an extended CONNECT. An acceptance has the status that it has over HTTP/1.1.
func askForStream(t *testing.T, srv *httptest.Server, a ask) (o outcome) {
	t.Helper()
	header := upgradetest.Header()
	if a.fault == "version" {
		header.Set("Sec-Websocket-Version", "8")
	}
	if a.when {
		header.Set("X-When", "yes")
	}
	if a.subprotocols != "" {
		header.Set("Sec-Websocket-Protocol", a.subprotocols)
	}
	header["Origin"] = a.origins
	ends := &once{T: t}
	defer ends.end()
	c := upgradetest.HandshakeHTTP2(ends, srv, "/ws", header)
	o.status = c.Response.StatusCode
	if o.status != http.StatusOK {
		return o
	}
	if _, err := c.In.Peek(1); err == io.EOF { // the answer of a handler that upgrades nothing
		return o
	}
	o.status = http.StatusSwitchingProtocols
	o.readClose(t, c.Conn, c.In, c.Response, a)
	return o
}

// A once is a test whose resources are freed before it is over: there are many requests.
type once struct {
	*testing.T
	free []func()
}

func (o *once) Cleanup(f func()) { o.free = append(o.free, f) }

func (o *once) end() {
	for _, f := range slices.Backward(o.free) {
		f()
	}
}
