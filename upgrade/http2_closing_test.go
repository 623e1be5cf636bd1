package upgrade_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
	"github.com/wsverdict/wsverdict/upgrade/upgradetest"
)

// A lateWriter is net/http's writer of a stream on a busy machine: the client has what was flushed,
// and whoever flushed it is not back yet.
type lateWriter struct {
	*httptest.ResponseRecorder
	flushes chan struct{} // one has begun
	back    chan struct{} // and returns

	mu    sync.Mutex
	reset bool
}

func (w *lateWriter) FlushError() error {
	w.flushes <- struct{}{}
	<-w.back
	return nil
}

func (w *lateWriter) SetReadDeadline(time.Time) error { return nil }

func (w *lateWriter) SetWriteDeadline(at time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reset = w.reset || !at.IsZero() // as net/http does, when it has passed
	return nil
}

func (w *lateWriter) wasReset() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.reset
}

// TestHTTP2ClosedWhileWriting: Chromium ends its side of the stream with its close frame. Where that
// comes before the goroutine is back that wrote the server's, the stream is not closed under it, which
// would reset it: the script would have the code, and an unclean close.
func TestHTTP2ClosedWhileWriting(t *testing.T) {
	expiry := policy.Expiry{At: time.Now().Add(time.Hour), Owner: "o"}
	for name, end := range map[string]func(up *upgrade.Upgrader, c *upgrade.Conn) error{
		"expires": func(_ *upgrade.Upgrader, c *upgrade.Conn) error {
			return c.Extend(policy.Expiry{At: time.Now(), Owner: "o"})
		},
		"is banned": func(up *upgrade.Upgrader, _ *upgrade.Conn) error {
			up.EndAll(banned, 0)
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			up := &upgrade.Upgrader{LingerTimeout: patience}
			conns := make(chan *upgrade.Conn, 1)
			session := func(ctx context.Context, c *upgrade.Conn) error {
				conns <- c
				return listen(ctx, c)
			}
			w := &lateWriter{ResponseRecorder: httptest.NewRecorder(), flushes: make(chan struct{}), back: make(chan struct{})}
			body, client := io.Pipe()
			r := httptest.NewRequest(http.MethodConnect, "https://example.com/ws", body)
			r.ProtoMajor, r.ContentLength = 2, -1
			r.Header = http.Header{":protocol": {"websocket"}, "Sec-Websocket-Version": {"13"}}
			returned := make(chan struct{})
			go func() {
				defer close(returned)
				wrap(up.Handler(run(session)), up.Use(always(policy.Allow().WithExpiry(expiry)))).ServeHTTP(w, r)
			}()
			receive(t, w.flushes) // the header
			w.back <- struct{}{}
			if err := end(up, receive(t, conns)); err != nil {
				t.Fatal(err)
			}
			receive(t, w.flushes)
			if f, err := upgradetest.ReadFrame(w.Body); err != nil || f.Header.OpCode != ws.OpClose {
				t.Fatalf("got %+v, %v", f.Header, err)
			}
			if _, err := io.WriteString(client, closing); err != nil {
				t.Fatal(err)
			}
			client.Close()
			eventually(t, "somebody waits for the writer, or does not", func() bool { return len(stacks("(*Conn).written")) > 0 || w.wasReset() })
			w.back <- struct{}{}
			receive(t, returned)
			if w.wasReset() {
				t.Error("the stream was reset")
			}
			wantEmpty(t, up)
		})
	}
}
