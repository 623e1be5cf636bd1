package http2

import (
	"net/http"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/wsverdict/wsverdict/upgrade"
)

// TestHandshake: what is no handshake is answered by its status, or by net/http's reset; the connection and its other streams go on.
func TestHandshake(t *testing.T) {
	s := serve(t, &upgrade.Upgrader{})
	w := connect(t, s.Server)
	good := w.open("/echo")
	good.wantStatus(200)
	for name, tc := range map[string]struct {
		changes []string
		status  int // 0: a reset with PROTOCOL_ERROR
	}{
		"another protocol":       {[]string{":protocol", "connect-udp"}, 501},
		"in another case":        {[]string{":protocol", "WebSocket"}, 501},
		"two protocols":          {[]string{":protocol", "websocket, connect-udp"}, 501},
		"a GET with a protocol":  {[]string{":method", "GET"}, 505},
		"no protocol":            {[]string{":protocol", ""}, 0},
		"a GET":                  {[]string{":method", "GET", ":protocol", ""}, 505},
		"no version":             {[]string{"sec-websocket-version", ""}, 400},
		"version 8":              {[]string{"sec-websocket-version", "8"}, 400},
		"a body":                 {[]string{"content-length", "5"}, 400},
		"a body of nothing":      {[]string{"content-length", "0"}, 400},
		"fields of HTTP/1.1":     {[]string{"upgrade", "websocket"}, 400}, // net/http's
		"another origin":         {[]string{"origin", "https://evil.example"}, 403},
		"its own origin":         {[]string{"origin", "https://" + s.Listener.Addr().String()}, 200},
		"no path":                {[]string{":path", ""}, 0},
		"no authority":           {[]string{":authority", ""}, 400},
		"malformed subprotocols": {[]string{"sec-websocket-protocol", "a b"}, 400},
		"a key":                  {[]string{"sec-websocket-key", "nonsense"}, 200}, // is not looked at
	} {
		t.Run(name, func(t *testing.T) {
			w.t = t
			st := w.open("/echo", tc.changes...)
			if tc.status == 0 {
				st.wantReset(http2.ErrCodeProtocol)
				return
			}
			st.wantStatus(tc.status)
			if tc.status == 200 {
				st.echo("hello")
				st.rst(http2.ErrCodeCancel)
			}
		})
	}
	w.t = t
	good.echo("still here")
}

// TestEarlyEnd: a client that ends its side ends its connection, with the handshake or behind it.
func TestEarlyEnd(t *testing.T) {
	s := serve(t, &upgrade.Upgrader{LingerTimeout: patience})
	w := connect(t, s.Server)
	st := &stream{w: w, id: 1, header: map[string]string{}}
	w.streams[1] = st
	st.headers(true, w.fields("/echo")...)
	st.wantStatus(400)
	for _, path := range []string{"/echo", "/refused"} {
		for name, end := range map[string]func(st *stream){
			"DATA":          func(st *stream) { st.send(nil, true) },
			"half a frame":  func(st *stream) { st.send([]byte{0x81}, true) },
			"trailers":      func(st *stream) { st.headers(true, "x-trailer", "1") },
			"pseudo fields": func(st *stream) { st.headers(true, w.fields("/echo")...) },
		} {
			t.Run(path+" "+name, func(t *testing.T) {
				w.t = t
				st := w.open(path)
				st.wantStatus(200)
				end(st)
				w.await("the end", st.gone)
			})
		}
	}
	s.wantReturned(t, 9)
	s.wantEmpty(t)
}

// TestTwoHandshakes: a second one in the same stream is net/http's to refuse, and a reset to the session.
func TestTwoHandshakes(t *testing.T) {
	s := serve(t, &upgrade.Upgrader{})
	w := connect(t, s.Server)
	st := w.open("/echo")
	st.wantStatus(200)
	st.headers(false, w.fields("/echo")...)
	st.wantReset(http2.ErrCodeProtocol)
	e := s.events.Until(t, upgrade.Ended)
	if reset, ok := e.Err.(*upgrade.StreamError); !ok || reset.Code != uint32(http2.ErrCodeProtocol) {
		t.Errorf("ended with %T %v", e.Err, e.Err)
	}
	s.wantReturned(t, 1)
	s.wantEmpty(t)
}

// TestUnencrypted: the same without TLS (h2c).
func TestUnencrypted(t *testing.T) {
	s := serve(t, &upgrade.Upgrader{}, func(srv *http.Server) {
		srv.Protocols = new(http.Protocols)
		srv.Protocols.SetHTTP1(true)
		srv.Protocols.SetUnencryptedHTTP2(true)
	})
	w := connect(t, s.Server)
	origin := "http://" + s.Listener.Addr().String()
	st := w.open("/refused", ":scheme", "http", "origin", origin)
	st.wantStatus(200)
	st.wantClose(4401)
	st.bye()
	st = w.open("/echo", ":scheme", "http", "origin", origin)
	st.wantStatus(200)
	st.echo("hello")
	st = w.open("/echo", ":scheme", "http", "origin", "https://evil.example")
	st.wantStatus(403)
}

// TestGoAway: a client that announces its leave keeps what it has until it goes; then it is the connection that ended, not a stream.
func TestGoAway(t *testing.T) {
	s := serve(t, &upgrade.Upgrader{})
	w := connect(t, s.Server)
	st := w.open("/echo")
	st.wantStatus(200)
	w.must(w.framer.WriteGoAway(0, http2.ErrCodeNo, nil))
	st.echo("hello")
	w.conn.Close()
	e := s.events.Until(t, upgrade.Ended)
	if _, ok := e.Err.(*upgrade.StreamError); ok || e.Err == nil || e.Session.ClosedBy != upgrade.ByNetwork {
		t.Errorf("ended by %v with %T %v", e.Session.ClosedBy, e.Err, e.Err)
	}
	s.wantReturned(t, 1)
}

// TestShutdown: Upgrader.Shutdown closes the streams with 4503, and the server's GOAWAY follows.
func TestShutdown(t *testing.T) {
	s := serve(t, &upgrade.Upgrader{})
	w := connect(t, s.Server)
	st := w.open("/echo")
	st.wantStatus(200)
	st.echo("hello")
	done := make(chan error, 1)
	go func() {
		ctx, cancel := contextFor(10 * time.Second)
		defer cancel()
		done <- s.up.Shutdown(ctx, s.Config)
	}()
	st.wantClose(4503)
	st.bye()
	w.end()
	if w.goaway == nil || w.goaway.ErrCode != http2.ErrCodeNo {
		t.Errorf("GOAWAY %v", w.goaway)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	s.wantEmpty(t)
}
