package handshake_test

import (
	"bufio"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/wsverdict/wsverdict/upgrade/internal/handshake"
)

// The handshake of RFC 6455 §1.2, and the answer of §1.3.
const (
	sampleKey    = "dGhlIHNhbXBsZSBub25jZQ=="
	sampleAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
	sample       = "GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key: " + sampleKey + "\r\nOrigin: http://example.com\r\nSec-WebSocket-Protocol: chat, superchat\r\n" +
		"Sec-WebSocket-Version: 13\r\n\r\n"
)

// parse reads the sample with one thing in it replaced.
func parse(t *testing.T, old, new string) *http.Request {
	t.Helper()
	text := strings.Replace(sample, old, new, 1)
	if text == sample && old != new {
		t.Fatalf("there is no %q", old)
	}
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestCheck(t *testing.T) {
	for _, tt := range []struct {
		old, new string
		want     handshake.Fault
	}{
		{"", "", handshake.None},
		{"Connection: Upgrade", "Connection: keep-alive, upgrade", handshake.None},
		{"Upgrade: websocket", "Upgrade: h2c, WebSocket", handshake.None},
		{"GET", "POST", handshake.Method},
		{"HTTP/1.1", "HTTP/1.0", handshake.NoUpgrade},
		{"Upgrade: websocket\r\n", "", handshake.NoUpgrade},
		{"Connection: Upgrade\r\n", "", handshake.NoUpgrade},
		{"Version: 13", "Version: 8", handshake.Version},
		{"Version: 13", "Version: 13\r\nSec-WebSocket-Version: 13", handshake.Version},
		{"Upgrade: websocket", "Upgrade: websocket\r\nContent-Length: 1", handshake.Body},
		{"Upgrade: websocket", "Upgrade: websocket\r\nTransfer-Encoding: chunked", handshake.Body},
		{"Host: server.example.com", "Host: ", handshake.Host},
		{sampleKey, "short", handshake.Key},
		{sampleKey, "AAAAAAAAAAAAAAAAAAAAAAAA", handshake.Key}, // 18 bytes
		{sampleKey, "dGhlIHNhbXBsZSBub25jZ!==", handshake.Key},
		{"Origin", "Sec-WebSocket-Key: " + sampleKey + "\r\nOrigin", handshake.Key},
	} {
		key, fault := handshake.Check(parse(t, tt.old, tt.new))
		if fault != tt.want || (key == sampleKey) != (tt.want == handshake.None) {
			t.Errorf("%q for %q: key %q, fault %d, want %d", tt.new, tt.old, key, fault, tt.want)
		}
	}
}

func TestChoose(t *testing.T) {
	refused := func(subprotocol string) handshake.Choice {
		return handshake.Choice{Subprotocol: subprotocol, Refused: true}
	}
	for _, tt := range []struct {
		offered string
		ours    []string
		want    handshake.Choice
		fault   handshake.Fault
	}{
		{"chat, superchat", []string{"superchat", "chat"}, handshake.Choice{Subprotocol: "chat"}, handshake.None}, // the client's order
		{"chat, superchat", []string{"superchat"}, handshake.Choice{Subprotocol: "superchat"}, handshake.None},
		{"chat, superchat", nil, handshake.Choice{}, handshake.NoSubprotocol},
		{"Chat", []string{"chat"}, handshake.Choice{}, handshake.NoSubprotocol},
		{"chat, a/b", []string{"chat"}, handshake.Choice{}, handshake.Subprotocols},
		{"wsverdict.refused, a/b", []string{"chat"}, handshake.Choice{}, handshake.Subprotocols},
		{" ,", []string{"chat"}, handshake.Choice{}, handshake.Subprotocols},
		{"chat, wsverdict.refused", []string{"chat"}, refused("chat"), handshake.None},
		{"wsverdict.refused, chat", []string{"chat"}, refused("chat"), handshake.None},
		{"wsverdict.v1, wsverdict.refused", nil, refused("wsverdict.v1"), handshake.None},
		{"wsverdict.v1", []string{"chat"}, handshake.Choice{Subprotocol: "wsverdict.v1"}, handshake.None},
		{"wsverdict.refused", []string{"chat"}, refused(""), handshake.NoSubprotocol},
		{"wsverdict.v1, other", []string{"chat"}, handshake.Choice{}, handshake.NoSubprotocol},
		{"other, wsverdict.refused", []string{"chat"}, refused(""), handshake.NoSubprotocol},
		{"WSVERDICT.refused, chat", []string{"chat"}, handshake.Choice{Subprotocol: "chat"}, handshake.None},
	} {
		got, fault := handshake.Choose(parse(t, "chat, superchat", tt.offered), tt.ours)
		if got != tt.want || fault != tt.fault {
			t.Errorf("%q of %q: %+v, fault %d, want %+v, %d", tt.offered, tt.ours, got, fault, tt.want, tt.fault)
		}
	}
	got, fault := handshake.Choose(parse(t, "Sec-WebSocket-Protocol: chat, superchat\r\n", ""), []string{"chat"})
	if got != (handshake.Choice{}) || fault != handshake.None {
		t.Errorf("none offered: %+v, fault %d", got, fault)
	}
}

func TestAppendSwitching(t *testing.T) {
	outer := http.Header{
		"Set-Cookie": {"a=b", "c=d"}, "X-Bad": {"a\r\nX-Injected: 1"}, "Connection": {"X-Hop"}, "X-Hop": {"1"},
		"Content-Length": {"3"}, "Content-Type": {"text/html"}, "Transfer-Encoding": {"chunked"}, "Upgrade": {"h2c"},
		"Sec-Websocket-Accept": {"mine"}, "Keep-Alive": {"1"}, "Proxy-Authenticate": {"x"}, "Trailer": {"x"}, "Te": {"x"}, "Bad Name": {"x"},
	}
	out := handshake.AppendSwitching(nil, sampleKey, "chat", outer)
	resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader(string(out))), nil)
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(resp.StatusCode, resp.Header)
	want := fmt.Sprint(101, http.Header{"Upgrade": {"websocket"}, "Connection": {"Upgrade"}, "Sec-Websocket-Accept": {sampleAccept},
		"Sec-Websocket-Protocol": {"chat"}, "Set-Cookie": {"a=b", "c=d"}})
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	buf := make([]byte, 0, 512)
	if n := testing.AllocsPerRun(100, func() { handshake.AppendSwitching(buf, sampleKey, "chat", nil) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
