package http2

import (
	"bytes"
	"fmt"
	"strconv"
	"testing"

	"github.com/gobwas/ws"
	"golang.org/x/net/http2"

	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

// TestEndOfStream: behind the two close frames the server ends its side. A client that has ended its own with its close frame, as Chromium
// does from 155 on, is sent no reset; of others net/http resets the stream behind that end, with NO_ERROR.
func TestEndOfStream(t *testing.T) {
	s := serve(t, &upgrade.Upgrader{LingerTimeout: patience})
	w := connect(t, s.Server)
	for _, path := range []string{"/refused", "/banned", "/echo", "/expires"} {
		for _, ended := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, ended %v", path, ended), func(t *testing.T) {
				w.t = t
				st := w.open(path)
				st.wantStatus(200)
				code := ws.StatusCode(4401)
				switch path {
				case "/expires":
					st.echo("hello")
				case "/banned":
					st.echo("hello")
					s.up.End(banned, 0, policy.Tag{Key: "user", Value: "eve"})
					code = 4403
				case "/echo": // the client goes first
					st.send(closeFrame(4000), ended)
					code = 4000
				}
				st.wantClose(code)
				if path != "/echo" {
					st.send(closeFrame(4000), ended)
				}
				st.wantEnd(ended)
			})
		}
	}
	s.wantEmpty(t)
}

func closeFrame(code ws.StatusCode) []byte {
	return ws.MustCompileFrame(ws.MaskFrame(ws.NewCloseFrame(ws.NewCloseFrameBody(code, ""))))
}

// wantEnd wants END_STREAM, and a reset with NO_ERROR behind it unless this side has ended too.
func (s *stream) wantEnd(ended bool) {
	s.w.t.Helper()
	s.w.await("END_STREAM", s.gone)
	if !s.ended || s.reset != nil {
		s.w.t.Fatalf("ended %v, reset %v", s.ended, s.reset)
	}
	if ended {
		s.w.ping() // nothing is in front of its answer
	} else {
		s.w.await("a reset", func() bool { return s.reset != nil })
	}
	if s.reset != nil && (ended || *s.reset != http2.ErrCodeNo) {
		s.w.t.Fatalf("reset with %v", s.reset)
	}
}

// TestClosesWhileAddressed: a client closes, and ends its side, while another goroutine than the session's writes to it. It gets the rest of
// that, and the answer to its close frame.
func TestClosesWhileAddressed(t *testing.T) {
	const window, size = 1000, 50_000
	s := serve(t, &upgrade.Upgrader{LingerTimeout: patience, WriteTimeout: patience})
	w := connect(t, s.Server, http2.Setting{ID: http2.SettingInitialWindowSize, Val: window})
	sibling, st := w.open("/echo"), w.open("/send")
	sibling.wantStatus(200)
	st.wantStatus(200)
	st.full = true
	st.say(ws.NewTextFrame([]byte(strconv.Itoa(size))))
	w.await("a full window", func() bool { return st.data.Len() == window })
	st.send(closeFrame(4000), true)
	for range 100 { // the server has the time to make a mistake
		sibling.echo("hello")
	}
	st.full = false
	w.must(w.framer.WriteWindowUpdate(st.id, size))
	if f := st.frame(); !bytes.Equal(f.Payload, make([]byte, size)) {
		t.Fatalf("got %+v", f.Header)
	}
	st.wantClose(4000)
	st.wantEnd(true)
	s.wantReturned(t, 1)
}

// TestPageClosesWhileAddressed is the same in browsers.
func TestPageClosesWhileAddressed(t *testing.T) {
	const times, size = 10, 8 << 20 // more than a browser's window
	inBrowsers(t, func(t *testing.T, b browser) {
		s := serve(t, &upgrade.Upgrader{LingerTimeout: patience})
		b.open(t, s.URL+"/")
		var seen []closing
		b.run(t, connecting+fmt.Sprintf(`
			const seen = [];
			for (let i = 0; i < %d; i++) seen.push(await connect("/send", (socket) => {
				socket.send("1");
				socket.onmessage = () => { socket.send("%d"); setTimeout(() => socket.close(4000), i); };
			}));
			return seen;`, times, size), &seen)
		for i, c := range seen {
			if c.Code != 4000 || !c.WasClean {
				t.Errorf("socket %d: %+v", i, c)
			}
		}
		s.wantReturned(t, times)
		s.wantEmpty(t)
	})
}
