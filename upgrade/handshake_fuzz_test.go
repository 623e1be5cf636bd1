package upgrade_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
	"github.com/wsverdict/wsverdict/upgrade/internal/reference"
)

// isHandshake is what is answered as a handshake, written for reading.
func isHandshake(r *http.Request) bool {
	subprotocols, origins := r.Header.Values("Sec-WebSocket-Protocol"), r.Header.Values("Origin")
	offered, whole := reference.Tokens(subprotocols)
	return reference.Handshake(r) &&
		(len(subprotocols) == 0 || whole && slices.ContainsFunc(offered, func(o string) bool {
			return o == "chat.v1" || o == "wsverdict.v1" || o == "wsverdict.refused" // the last is answered if only to refuse
		})) &&
		(len(origins) == 0 || len(origins) == 1 && reference.SameOrigin(origins[0], r.Host))
}

// handshakes reads what a server would, up to the first handshake: behind it there are frames. A handshake's method is "".
func handshakes(raw []byte) (methods []string) {
	in := bufio.NewReader(strings.NewReader(string(raw)))
	for {
		r, err := http.ReadRequest(in)
		if err != nil {
			return methods
		}
		if isHandshake(r) {
			return append(methods, "")
		}
		methods = append(methods, r.Method)
		io.Copy(io.Discard, r.Body)
	}
}

func FuzzHandshake(f *testing.F) {
	var panics atomic.Int64
	up := &upgrade.Upgrader{
		Subprotocols: []string{"chat.v1"}, LingerTimeout: time.Second,
		Observer: upgrade.ObserverFunc(func(e upgrade.Event) {
			if _, ok := e.Verdict.Cause().(*upgrade.PanicError); ok || e.Kind == upgrade.Panicked {
				panics.Add(1)
			}
		}),
	}
	denied := regexp.MustCompile(`^/deny`)
	judge := up.Use(policy.Func(func(r *http.Request) policy.Verdict {
		if denied.MatchString(r.URL.Path) {
			return expired
		}
		return policy.Allow()
	}))(up.Handler(run(idle)))
	addr := newServer(f, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if x := recover(); x != nil {
				panics.Add(1)
				panic(x)
			}
		}()
		judge.ServeHTTP(w, r)
	}))

	for _, changes := range [][]string{
		{}, {"GET /deny HTTP/1.1"}, {"-Origin"}, {"Origin: https://evil.example"}, {"Origin: null"}, {"+Origin: http://example.com"},
		{"Connection: keep-alive, Upgrade"}, {"Connection: close"}, {"-Upgrade"}, {"Upgrade: h2c, websocket"}, {"GET / HTTP/1.0"}, {"GET / HTTP/1.2"},
		{"POST /deny HTTP/1.1"}, {"Sec-WebSocket-Version: 8"}, {"+Sec-WebSocket-Version: 13"}, {"-Sec-WebSocket-Key"},
		{"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAAAA"}, {"+Sec-WebSocket-Protocol: chat.v1, bearer"}, {"+Sec-WebSocket-Protocol: bearer"},
		{"+Sec-WebSocket-Protocol: chat.v1, a b"}, {"+Content-Length: 0"}, {"Host: "}, {"Host: example.com:80"}, {"Host: [::1]", "Origin: http://[::1]"},
	} {
		f.Add([]byte(request(changes...)))
	}
	f.Add([]byte(request("-Upgrade") + request() + closing))
	f.Add([]byte(request("+Content-Length: 5") + "hello" + request()))
	f.Add([]byte(request("+Transfer-Encoding: chunked") + "5\r\nhello\r\n0\r\n\r\n" + request("GET /deny HTTP/1.1")))
	f.Add([]byte(request("+Content-Length: 200") + request()))
	f.Add([]byte(strings.ReplaceAll(request(), "\r\n", "\n")))

	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) > 64<<10 {
			return
		}
		c := dial(t, addr)
		defer c.Close()
		c.Write(raw)
		c.Conn.(*net.TCPConn).CloseWrite()
		methods := append(handshakes(raw), "net/http found one more, which is none of ours")
		for {
			res, err := http.ReadResponse(c.in, &http.Request{Method: methods[0]})
			if err != nil {
				break
			}
			if res.StatusCode == 100 {
				continue
			}
			if res.StatusCode == 101 {
				if methods[0] != "" {
					t.Fatalf("an upgrade of a %s in %q", methods[0], raw)
				}
				if f, err := readFrame(c.in); err == nil && f.Header.OpCode != ws.OpClose {
					t.Fatalf("got frame %+v", f.Header)
				}
				break
			}
			if methods[0] == "" && res.Header.Get("Content-Type") == "application/problem+json" {
				t.Fatalf("%s for the handshake in %q", res.Status, raw)
			}
			io.Copy(io.Discard, res.Body)
			if len(methods) > 1 {
				methods = methods[1:]
			}
		}
		if n := panics.Load(); n > 0 {
			t.Fatalf("%d panics at %q", n, raw)
		}
	})
}
