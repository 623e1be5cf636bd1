package http2

import (
	"context"
	"errors"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"golang.org/x/net/http2"

	"github.com/wsverdict/wsverdict/upgrade"
	"github.com/wsverdict/wsverdict/upgrade/upgradetest"
)

func contextFor(d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), d)
}

const short = 300 * time.Millisecond

// brief is an Upgrader whose bounds come soon.
func brief() *upgrade.Upgrader { return &upgrade.Upgrader{WriteTimeout: short, LingerTimeout: short} }

// TestNoWindow: a client that gives a stream no window gets no close frame, and holds it up for LingerTimeout; a session, for
// WriteTimeout. Others on the same connection go on.
func TestNoWindow(t *testing.T) {
	s := serve(t, brief())
	w := connect(t, s.Server, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
	refused := w.open("/refused")
	refused.wantStatus(200)
	if e := s.events.Until(t, upgrade.Settled); e.Outcome != upgrade.Lost || !errors.Is(e.Err, os.ErrDeadlineExceeded) {
		t.Errorf("the refusal was %v: %v", e.Outcome, e.Err)
	}
	refused.wantReset(http2.ErrCodeInternal)
	flooded, sibling := w.open("/flood"), w.open("/echo")
	flooded.wantStatus(200)
	sibling.wantStatus(200)
	w.must(w.framer.WriteWindowUpdate(sibling.id, 1<<20))
	for !flooded.gone() {
		sibling.echo("hello")
	}
	if e := s.events.Until(t, upgrade.Ended); !errors.Is(e.Err, os.ErrDeadlineExceeded) {
		t.Errorf("ended with %v", e.Err)
	}
	sibling.echo("hello")
	s.wantReturned(t, 2)
}

// TestSlowSession: a session that does not read takes its own stream's window, where the connection has room for several.
func TestSlowSession(t *testing.T) {
	s := serve(t, &upgrade.Upgrader{}, func(srv *http.Server) {
		srv.HTTP2 = &http.HTTP2Config{MaxReceiveBufferPerStream: 64 << 10, MaxReceiveBufferPerConnection: 1 << 20}
	})
	w := connect(t, s.Server)
	unread, sibling := w.open("/deaf"), w.open("/echo")
	for range 4 { // all that its window has
		unread.send(make([]byte, 16<<10-1), false)
	}
	for range 100 {
		sibling.echo(strings.Repeat("x", 1000))
	}
}

// TestStalledConnection: a client that takes nothing of its whole connection cannot be told anything. Sessions and refusals on it end in
// time all the same, a shutdown too; the handlers return when the connection is given up.
func TestStalledConnection(t *testing.T) {
	s := serve(t, brief())
	w := connect(t, s.Server, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1<<31 - 1})
	w.must(w.framer.WriteWindowUpdate(0, 1<<30))
	const each = 5
	opened := 0
	for lost := 0; lost < each; { // and nothing is read from now on: it is full when nobody gets as much as a response
		for range each {
			w.open("/flood")
		}
		opened += each
		lost = 0
		for over := 0; over < each; {
			switch e := s.events.Next(t); {
			case e.Kind == upgrade.Ended && e.Session.ClosedBy != upgrade.ByNetwork:
				t.Fatalf("ended by %v with %v", e.Session.ClosedBy, e.Err)
			case e.Kind == upgrade.Ended:
				over++
			case e.Outcome == upgrade.Lost:
				over++
				lost++
			}
		}
	}
	for range each {
		w.open("/refused")
		w.open("/echo")
	}
	for range 2 * each {
		if e := s.events.Next(t); e.Outcome != upgrade.Lost || e.Err == nil {
			t.Errorf("%v %v by %s: %v", e.Kind, e.Outcome, e.Policy, e.Err)
		}
	}
	s.wantEmpty(t)
	ctx, cancel := contextFor(5 * time.Second)
	defer cancel()
	if err := s.up.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	w.conn.Close()
	s.wantReturned(t, opened+2*each)
}

// TestStalledConnectionIsGivenUp: the server's own settings end such a connection, and its handlers.
func TestStalledConnectionIsGivenUp(t *testing.T) {
	s := serve(t, brief(), func(srv *http.Server) { srv.HTTP2 = &http.HTTP2Config{WriteByteTimeout: 500 * time.Millisecond} })
	w := connect(t, s.Server, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1<<31 - 1})
	w.must(w.framer.WriteWindowUpdate(0, 1<<30))
	for range 5 {
		w.open("/flood")
	}
	s.wantReturned(t, 5)
	s.wantEmpty(t)
}

// TestResetFlood: streams that are reset as soon as they are open leave nothing behind. At some point net/http calls it enough.
func TestResetFlood(t *testing.T) {
	for _, path := range []string{"/refused", "/echo", "/flood"} {
		t.Run(path, func(t *testing.T) {
			s := serve(t, brief())
			before := runtime.NumGoroutine()
			w := connect(t, s.Server)
			for range 5000 {
				st := &stream{w: w, id: uint32(2*len(w.streams) + 1), header: map[string]string{}}
				w.streams[st.id] = st
				w.head.Reset()
				for i, fields := 0, w.fields(path); i < len(fields); i += 2 {
					w.must(w.encoder.WriteField(field(fields[i], fields[i+1])))
				}
				if w.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: st.id, BlockFragment: w.head.Bytes(), EndHeaders: true}) != nil ||
					w.framer.WriteRSTStream(st.id, http2.ErrCodeCancel) != nil {
					break
				}
			}
			w.conn.Close()
			s.wantEmpty(t)
			upgradetest.Eventually(t, "as many goroutines as before", func() bool { return runtime.NumGoroutine() <= before+5 })
		})
	}
}

// TestManyRefusals: a connection's streams linger within the Upgrader's budget; beyond it a refusal is a status.
func TestManyRefusals(t *testing.T) {
	s := serve(t, &upgrade.Upgrader{MaxLingering: 100, LingerTimeout: patience})
	w := connect(t, s.Server)
	var list []*stream
	for range 200 {
		list = append(list, w.open("/refused"))
	}
	statuses := map[string]int{}
	for _, st := range list {
		w.await("a response", func() bool { return st.header[":status"] != "" })
		statuses[st.header[":status"]]++
	}
	if statuses["200"] != 100 || statuses["401"] != 100 {
		t.Errorf("got %v, want 100 of each", statuses)
	}
	for _, st := range list {
		if st.header[":status"] == "200" {
			st.wantClose(4401)
			st.bye()
		}
	}
	s.wantReturned(t, len(list))
	s.wantEmpty(t)
}

// TestPieces: DATA frames and WebSocket frames have nothing to do with each other.
func TestPieces(t *testing.T) {
	s := serve(t, &upgrade.Upgrader{})
	st := connect(t, s.Server).open("/echo")
	st.wantStatus(200)
	for _, b := range ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte("hello")))) {
		st.send([]byte{b}, false)
		st.send(nil, false)
		st.w.must(st.w.framer.WriteDataPadded(st.id, false, nil, make([]byte, 200)))
	}
	if f := st.frame(); string(f.Payload) != "hello" {
		t.Fatalf("got %+v %q", f.Header, f.Payload)
	}
	two := append(ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte("one")))), ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte("two"))))...)
	st.send(two, false)
	if one, two := st.frame(), st.frame(); string(one.Payload) != "one" || string(two.Payload) != "two" {
		t.Fatalf("got %q, %q", one.Payload, two.Payload)
	}
	st.send([]byte{0x81, 0x02, 'n', 'o'}, false) // not masked
	st.wantClose(1002)
	st.w.await("the end", st.gone)
	s.wantEmpty(t)
}
