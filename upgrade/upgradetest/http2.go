package upgradetest

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// HTTP2 calls run, which runs a package's tests, in a process in which net/http's servers speak
// WebSocket over HTTP/2 (docs/http2.md): that is decided by the environment when a process starts, so
// that it starts the test binary again. Call it from TestMain:
//
//	func TestMain(m *testing.M) { os.Exit(upgradetest.HTTP2(m.Run)) }
func HTTP2(run func() int) int {
	const name, setting = "GODEBUG", "http2xconnect=1"
	value := os.Getenv(name)
	if strings.Contains(value, setting) {
		return run()
	}
	again := exec.Command(os.Args[0], os.Args[1:]...)
	again.Env = append(os.Environ(), name+"="+strings.TrimPrefix(value+","+setting, ","))
	again.Stdin, again.Stdout, again.Stderr = os.Stdin, os.Stdout, os.Stderr
	var failed *exec.ExitError
	switch err := again.Run(); {
	case errors.As(err, &failed):
		return max(1, failed.ExitCode())
	case err != nil:
		log.Print("the tests do not start again: ", err)
		return 1
	}
	return 0
}

// ServeHTTP2 serves h over TLS, and by HTTP/2 to clients that want it, on a socket of its own.
func ServeHTTP2(t testing.TB, h http.Handler) *httptest.Server {
	t.Helper()
	srv := httptest.NewUnstartedServer(h)
	srv.EnableHTTP2 = true
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return srv
}

// HandshakeHTTP2 is [Handshake] by an extended CONNECT (RFC 8441), on an HTTP/2 connection of its own,
// which the client's Close closes; closing the Response's Body resets the stream. The server must
// speak it: see [HTTP2] and [ServeHTTP2]. Of header, what belongs to HTTP/1.1 is left out.
func HandshakeHTTP2(t testing.TB, srv *httptest.Server, target string, header http.Header) *Client {
	t.Helper()
	addr := srv.Listener.Addr().String()
	config := srv.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	config.NextProtos = []string{"h2"}
	ctx, cancel := context.WithDeadline(context.Background(), patience())
	t.Cleanup(cancel)
	body, out := io.Pipe()
	r, err := http.NewRequestWithContext(ctx, http.MethodConnect, srv.URL+target, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = header.Clone()
	for _, name := range []string{"Upgrade", "Connection", "Sec-Websocket-Key"} {
		delete(r.Header, name)
	}
	r.Header[":protocol"] = []string{"websocket"}
	// The transport's own RoundTrip does not let the pseudo-header field pass, its HTTP/2 does.
	transport := &http.Transport{ForceAttemptHTTP2: true}
	transport.CloseIdleConnections() // makes its HTTP/2
	conn, err := tls.Dial("tcp", addr, config)
	if err != nil {
		t.Fatal(err)
	}
	res, err := transport.TLSNextProto["h2"](addr, conn).RoundTrip(r)
	if err != nil {
		t.Fatal("client handshake:", err)
	}
	t.Cleanup(func() { res.Body.Close() })
	c := NewClient(t, &streamConn{conn, res.Body, out})
	c.Response = res
	if res.StatusCode != http.StatusOK {
		text, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal("client read of a body:", err)
		}
		res.Body = io.NopCloser(bytes.NewReader(text))
	}
	return c
}

// DialHTTP2 is [Dial] by an extended CONNECT, which is answered with 200.
func DialHTTP2(t testing.TB, srv *httptest.Server, target string, fields ...string) *Client {
	t.Helper()
	c := HandshakeHTTP2(t, srv, target, Header(fields...))
	if c.Response.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(c.Response.Body)
		t.Fatalf("got %s %s, want 200", c.Response.Status, body)
	}
	return c
}

// A streamConn is the client's end of a stream, and of its connection. Its deadline is the test's
// patience.
type streamConn struct {
	net.Conn
	in  io.Reader
	out *io.PipeWriter
}

func (c *streamConn) Read(p []byte) (int, error)  { return c.in.Read(p) }
func (c *streamConn) Write(p []byte) (int, error) { return c.out.Write(p) }

// CloseWrite ends the client's side: END_STREAM.
func (c *streamConn) CloseWrite() error { return c.out.Close() }
