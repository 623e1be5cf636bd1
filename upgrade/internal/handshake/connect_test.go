package handshake_test

import (
	"bufio"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/wsverdict/wsverdict/upgrade/internal/handshake"
	"github.com/wsverdict/wsverdict/upgrade/internal/reference"
)

// connect is an extended CONNECT as net/http's server has it.
func connect() *http.Request {
	return &http.Request{
		Method: "CONNECT", Proto: "HTTP/2.0", ProtoMajor: 2, Host: "server.example.com", ContentLength: -1,
		URL:    &url.URL{Path: "/chat"},
		Header: http.Header{":protocol": {"websocket"}, "Sec-Websocket-Version": {"13"}, "Origin": {"https://server.example.com"}},
	}
}

func TestCheckConnect(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(r *http.Request)
		want   handshake.Fault
	}{
		"valid":                 {func(*http.Request) {}, handshake.None},
		"with a key":            {func(r *http.Request) { r.Header.Set("Sec-WebSocket-Key", "short") }, handshake.None},
		"GET":                   {func(r *http.Request) { r.Method = "GET" }, handshake.HTTPVersion},
		"plain GET":             {func(r *http.Request) { r.Method = "GET"; delete(r.Header, ":protocol") }, handshake.HTTPVersion},
		"plain CONNECT":         {func(r *http.Request) { delete(r.Header, ":protocol") }, handshake.HTTPVersion},
		"an upgrade":            {func(r *http.Request) { *r = *parse(t, "", ""); r.ProtoMajor = 2 }, handshake.HTTPVersion},
		"another protocol":      {func(r *http.Request) { r.Header[":protocol"] = []string{"connect-udp"} }, handshake.Protocol},
		"in another case":       {func(r *http.Request) { r.Header[":protocol"] = []string{"WebSocket"} }, handshake.Protocol},
		"over HTTP/1.1":         {func(r *http.Request) { r.ProtoMajor, r.ProtoMinor = 1, 1 }, handshake.Method},
		"no version":            {func(r *http.Request) { r.Header.Del("Sec-WebSocket-Version") }, handshake.StreamVersion},
		"version 8":             {func(r *http.Request) { r.Header.Set("Sec-WebSocket-Version", "8") }, handshake.StreamVersion},
		"version twice":         {func(r *http.Request) { r.Header.Add("Sec-WebSocket-Version", "13") }, handshake.StreamVersion},
		"a length":              {func(r *http.Request) { r.Header.Set("Content-Length", "5"); r.ContentLength = 5 }, handshake.Body},
		"a length of nothing":   {func(r *http.Request) { r.Header.Set("Content-Length", "0"); r.ContentLength = 0 }, handshake.Body},
		"a length that is none": {func(r *http.Request) { r.Header.Set("Content-Length", "x") }, handshake.Body},
		"ended":                 {func(r *http.Request) { r.ContentLength = 0 }, handshake.StreamEnded},
		"no authority":          {func(r *http.Request) { r.Host = "" }, handshake.Host},
	} {
		r := connect()
		tt.change(r)
		if key, fault := handshake.Check(r); fault != tt.want || key != "" {
			t.Errorf("%s: key %q, fault %d, want %d", name, key, fault, tt.want)
		}
	}
}

// FuzzCheck compares the predicate with a slow reference, over both protocols.
func FuzzCheck(f *testing.F) {
	for _, fields := range []string{
		"", ":protocol: websocket", "Connection: Upgrade\nUpgrade: websocket", "Connection: keep-alive, upgrade\nUpgrade: WebSocket",
		":protocol: websocket\nConnection: Upgrade\nUpgrade: websocket", ":protocol: connect-udp", ":protocol: websocket\n:protocol: websocket",
	} {
		for _, version := range []string{"13", "8", "13\nSec-Websocket-Version: 13"} {
			for _, method := range []string{"GET", "CONNECT"} {
				for major := range 4 {
					f.Add(method, major, 1, "example.com", int64(-(major / 2)), fields+"\nSec-Websocket-Key: "+sampleKey+"\nSec-Websocket-Version: "+version)
				}
			}
		}
	}
	f.Add("CONNECT", 2, 0, "example.com", int64(5), ":protocol: websocket\nSec-Websocket-Version: 13\nContent-Length: 5")
	f.Fuzz(func(t *testing.T, method string, major, minor int, host string, length int64, fields string) {
		if major < 1 || major > 2 || minor < 0 {
			return
		}
		r := &http.Request{Method: method, ProtoMajor: major, ProtoMinor: minor, Host: host, ContentLength: length, Header: http.Header{}}
		for line := range strings.SplitSeq(fields, "\n") {
			if name, value, ok := strings.Cut(line, ": "); ok {
				if name != ":protocol" {
					name = http.CanonicalHeaderKey(name)
				} else if len(r.Header[name]) > 0 {
					continue // net/http refuses a second one
				}
				r.Header[name] = append(r.Header[name], value)
			}
		}
		_, fault := handshake.Check(r)
		if want := reference.Handshake(r); (fault == handshake.None) != want {
			t.Fatalf("%s HTTP/%d.%d, host %q, length %d, %q: fault %d, the reference says %v", method, major, minor, host, length, r.Header, fault, want)
		}
	})
}

// TestSetConnected: the same fields of outer middlewares go with a 200 as with a 101, none that
// HTTP/2 forbids, and no content type.
func TestSetConnected(t *testing.T) {
	outer := http.Header{
		"Set-Cookie": {"a=b", "c=d"}, "Connection": {"X-Hop"}, "X-Hop": {"1"}, "Content-Length": {"3"}, "Content-Type": {"text/html"},
		"Transfer-Encoding": {"chunked"}, "Upgrade": {"h2c"}, "Sec-Websocket-Accept": {"mine"}, "Keep-Alive": {"1"}, "Trailer": {"x"},
		"Trailer:X": {"x"}, "Bad Name": {"x"}, "X-Mine": {"1"},
	}
	over1, err := http.ReadResponse(bufio.NewReader(strings.NewReader(string(handshake.AppendSwitching(nil, sampleKey, "chat", outer)))), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"Upgrade", "Connection", "Sec-Websocket-Accept"} {
		over1.Header.Del(name)
	}
	handshake.SetConnected(outer, "chat")
	if values, there := outer["Content-Type"]; !there || len(values) != 0 {
		t.Errorf("Content-Type: %q, %v: net/http would guess one", values, there)
	}
	delete(outer, "Content-Type")
	if got, want := fmt.Sprint(outer), fmt.Sprint(over1.Header); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	refusal := http.Header{"Connection": {"close"}, "Upgrade": {"websocket"}, "Retry-After": {"1"}}
	handshake.DeleteHopByHop(refusal)
	if len(refusal) != 1 || !slices.Equal(refusal["Retry-After"], []string{"1"}) {
		t.Errorf("got %s", refusal)
	}
}
