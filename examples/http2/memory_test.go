package http2

import (
	"crypto/tls"
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"testing"
)

// TestMemory measures what a stream takes of the server: idle as a session, refused and not answering, and of net/http alone.
func TestMemory(t *testing.T) {
	const connections, streams, most = 50, 100, 40 << 10
	for _, row := range []struct{ name, path string }{
		{"of net/http alone", "/plain"},
		{"an idle session", "/echo"},
		{"a refused one", "/refused"},
	} {
		url, _ := startAlone(t, "GODEBUG=http2xconnect=1")
		addr := strings.TrimPrefix(url, "https://")
		memory := func() (n float64) {
			client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} // the test's own server
			defer client.CloseIdleConnections()
			res, err := client.Get(url + "/memory")
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			if err := json.NewDecoder(res.Body).Decode(&n); err != nil {
				t.Fatal(err)
			}
			return n
		}
		open := func(each int) {
			for range connections {
				w := dialAddr(t, addr)
				for range each {
					st := w.open(row.path)
					st.wantStatus(200)
				}
			}
		}
		open(1) // what is made once
		before := memory()
		open(1)
		few := memory()
		open(1 + streams)
		many := memory()
		perStream := (many - few - (few - before)) / connections / streams
		t.Logf("%s: %.1f KB a stream; %.1f KB a connection with one", row.name, perStream/1024, (few-before)/connections/1024)
		if perStream > most {
			t.Errorf("%s takes %.1f KB", row.name, perStream/1024)
		}
	}
}

func dialAddr(t *testing.T, addr string) *wire {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return speak(t, true, conn)
}
