package bench

import (
	"crypto/sha1"
	"encoding/base64"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/gobwas/ws"
	gorilla "github.com/gorilla/websocket"
	"github.com/lxzan/gws"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

const (
	closeCode   = 4401
	closeReason = "token_expired;do=refresh"
)

// An upgrader accepts r on w and closes at once with closeCode and closeReason.
type upgrader struct {
	name  string
	early []byte // what its Hijack finds in the reader
	make  func(outer http.Header) func(w *fakeWriter, r *http.Request)
}

var upgraders = []upgrader{
	{"static bytes (floor)", clientClose, func(outer http.Header) func(*fakeWriter, *http.Request) {
		all := staticAnswer(outer)
		return func(w *fakeWriter, r *http.Request) {
			conn, _, _ := w.Hijack()
			conn.Write(all)
			conn.Close()
		}
	}},
	{"accept key, header look-ups, deadline (floor)", clientClose, func(outer http.Header) func(*fakeWriter, *http.Request) {
		answer := staticAnswer(outer)
		return func(w *fakeWriter, r *http.Request) { leastWork(w, r, answer) }
	}},
	{"gobwas", clientClose, func(outer http.Header) func(*fakeWriter, *http.Request) {
		return gobwas(ws.HTTPUpgrader{Header: outer})
	}},
	{"gobwas, with a write timeout", clientClose, func(outer http.Header) func(*fakeWriter, *http.Request) {
		return gobwas(ws.HTTPUpgrader{Header: outer, Timeout: 2 * time.Second})
	}},
	{checkedByHand, clientClose, gobwasByHand},
	{"gorilla", nil, func(outer http.Header) func(*fakeWriter, *http.Request) { // refuses who has sent something already
		var up gorilla.Upgrader
		return func(w *fakeWriter, r *http.Request) {
			conn, err := up.Upgrade(w, r, outer)
			if err != nil {
				panic(err)
			}
			conn.WriteControl(gorilla.CloseMessage, gorilla.FormatCloseMessage(closeCode, closeReason), time.Now().Add(2*time.Second))
			conn.Close()
		}
	}},
	{"coder", clientClose, func(outer http.Header) func(*fakeWriter, *http.Request) {
		return func(w *fakeWriter, r *http.Request) {
			conn, err := websocket.Accept(w, r, nil)
			if err != nil {
				panic(err)
			}
			conn.Close(closeCode, closeReason)
		}
	}},
	{"gws", clientClose, func(outer http.Header) func(*fakeWriter, *http.Request) {
		up := gws.NewUpgrader(gws.BuiltinEventHandler{}, &gws.ServerOption{ResponseHeader: outer})
		return func(w *fakeWriter, r *http.Request) {
			conn, err := up.Upgrade(w, r)
			if err != nil {
				panic(err)
			}
			conn.WriteClose(closeCode, []byte(closeReason))
		}
	}},
	{"wsverdict", clientClose, denying},
	{"wsverdict, the linger handed over", nil, denying},
}

// leastWork is what a server that looks at Origin and subprotocols and sets a deadline cannot leave out, without the checks.
func leastWork(w *fakeWriter, r *http.Request, answer []byte) {
	const head, acceptLen = 97, 28
	for _, name := range [...]string{"Connection", "Upgrade", "Sec-Websocket-Version", "Origin", "Sec-Websocket-Protocol"} {
		if len(r.Header[name]) > 1 {
			panic(name)
		}
	}
	conn, buf, _ := w.Hijack()
	out := append(buf.AvailableBuffer(), answer[:head]...)
	var in [60]byte
	copy(in[copy(in[:], r.Header["Sec-Websocket-Key"][0]):], "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")
	sum := sha1.Sum(in[:])
	out = base64.StdEncoding.AppendEncode(out, sum[:])
	out = append(out, answer[head+acceptLen:]...)
	conn.SetDeadline(started.Add(time.Since(started) + 2*time.Second))
	conn.Write(out)
	conn.Close()
}

var started = time.Now()

func gobwas(up ws.HTTPUpgrader) func(*fakeWriter, *http.Request) {
	frame := ws.MustCompileFrame(ws.NewCloseFrame(ws.NewCloseFrameBody(closeCode, closeReason)))
	return func(w *fakeWriter, r *http.Request) {
		conn, _, _, err := up.Upgrade(r, w)
		if err != nil {
			panic(err)
		}
		conn.Write(frame)
		conn.Close()
	}
}

const checkedByHand = "gobwas, the same checks by hand"

// gobwasByHand does what wsverdict does by itself: Origin against Host, as gorilla and coder compare them; a choice among the server's
// subprotocols; a deadline for both writes.
func gobwasByHand(outer http.Header) func(*fakeWriter, *http.Request) {
	frame := ws.MustCompileFrame(ws.NewCloseFrame(ws.NewCloseFrameBody(closeCode, closeReason)))
	up := ws.HTTPUpgrader{Header: outer, Timeout: 2 * time.Second, Protocol: func(p string) bool { return p == "chat.v1" }}
	return func(w *fakeWriter, r *http.Request) {
		if origin := r.Header.Get("Origin"); origin != "" {
			u, err := url.Parse(origin)
			if err != nil || !strings.EqualFold(u.Host, r.Host) {
				panic("the origin was refused")
			}
		}
		conn, _, _, err := up.Upgrade(r, w)
		if err != nil {
			panic(err)
		}
		conn.SetWriteDeadline(time.Now().Add(2 * time.Second))
		conn.Write(frame)
		conn.Close()
	}
}

func denying(http.Header) func(*fakeWriter, *http.Request) {
	var up upgrade.Upgrader
	verdict := policy.Close(codes.Unauthorized, "token_expired")
	link := up.Use(policy.Func(func(*http.Request) policy.Verdict { return verdict }))
	h := link(http.NotFoundHandler())
	return func(w *fakeWriter, r *http.Request) { h.ServeHTTP(w, r) }
}

// staticAnswer is the 101 and the close frame to the handshake's key.
func staticAnswer(outer http.Header) []byte {
	b := []byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n")
	for _, name := range slices.Sorted(maps.Keys(outer)) {
		b = append(b, name+": "+outer.Get(name)+"\r\n"...)
	}
	b = append(b, "\r\n"...)
	return append(b, ws.MustCompileFrame(ws.NewCloseFrame(ws.NewCloseFrameBody(closeCode, closeReason)))...)
}

var outerFields = [...][2]string{
	{"X-Request-Id", "5f2b1c0e-9d8a-4b7c-8e3f-1a2d3c4b5a69"},
	{"Strict-Transport-Security", "max-age=63072000; includeSubDomains"},
	{"Vary", "Origin"},
	{"Set-Cookie", "session=5f2b1c0e9d8a4b7c6e3f1a2d; Path=/; HttpOnly; Secure; SameSite=Lax"},
	{"Referrer-Policy", "strict-origin-when-cross-origin"},
	{"X-Frame-Options", "DENY"},
	{"Server-Timing", "edge;dur=3"},
	{"Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
}

func outerHeader(n int) http.Header {
	if n == 0 {
		return nil
	}
	h := http.Header{}
	for _, f := range outerFields[:n] {
		h.Set(f[0], f[1])
	}
	return h
}

func closeFrame(name, title string, headers int, targets ...Target) Row {
	row := Row{Name: name, Title: title, Base: "gobwas", Targets: targets}
	if headers == 0 {
		row.Note = "From the parsed request to the closed connection. The client's close frame lies in the hijacked reader already, so that " +
			"nobody waits: except gorilla's, which refuses such a client, and the linger's, which finds the connection at its end. " +
			"gobwas checks neither Origin nor subprotocols and sets no deadline by default; wsverdict does all three, and so does the row that has them done " +
			"by hand, which is the one to compare with. The second floor is what that leaves no way around, with no check made."
	}
	for _, u := range upgraders {
		row.Cases = append(row.Cases, Case{u.name, func(b *testing.B) {
			outer := outerHeader(headers)
			w, r, step := newWriter(u.early), newRequest(), u.make(outer)
			maps.Copy(w.header, outer)
			for b.Loop() {
				step(w, r)
			}
		}})
	}
	return row
}
