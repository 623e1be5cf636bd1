package upgrade_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/gobwas/ws"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

// A logbook is what a LogObserver has written.
type logbook struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// lines are the records with a message, decoded, and the whole text.
func (l *logbook) lines(t *testing.T, message string) (found []map[string]any, text string) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	text = l.b.String()
	for line := range strings.Lines(text) {
		record := map[string]any{}
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		if record["msg"] == message {
			found = append(found, record)
		}
	}
	return found, text
}

func newLog(level slog.Level) (*logbook, upgrade.Observer) {
	book := &logbook{}
	return book, upgrade.LogObserver(slog.New(slog.NewJSONHandler(book, &slog.HandlerOptions{Level: level})))
}

// Where tokens are (query, headers) the log does not look, whatever becomes of a request.
func TestLogHasNoSecrets(t *testing.T) {
	const secret = "eyJhbGciOi"
	book, observer := newLog(slog.LevelDebug)
	up := &upgrade.Upgrader{Observer: observer, Subprotocols: []string{"bearer"}}
	admitted := tagged(up)(up.Shadow(always(banned))(up.Handler(run(echoAll))))
	panics := policy.Func(func(*http.Request) policy.Verdict { panic("policy") })
	for _, h := range []http.Handler{
		admitted,
		up.Use(always(expired.WithCause(errors.New("the cause"))))(forbidden(t)),
		up.Use(always(policy.Reject(codes.ServiceUnavailable, "down").WithCause(errors.New("the cause"))))(forbidden(t)),
		up.Use(panics)(forbidden(t)),
		opaque(up.Handler(run(idle))),
		up.Handler(run(func(context.Context, *upgrade.Conn) error { panic("session") })),
	} {
		c, res := handshake(t, newServer(t, h), at("user=alice&token="+secret), "+Authorization: Bearer "+secret, "+Cookie: session="+secret,
			"+Sec-WebSocket-Protocol: bearer, "+secret)
		if res.StatusCode == 101 {
			c.send(masked(ws.NewTextFrame([]byte(secret))) + closing)
			c.wantEnd()
		}
	}
	wantEmpty(t, up)
	if err := up.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	ended, text := book.lines(t, "websocket ended")
	if len(ended) != 2 {
		t.Errorf("%d ends", len(ended))
	}
	for _, word := range []string{secret, "token=", "user=alice", "Authorization", "Cookie"} {
		if strings.Contains(text, word) {
			t.Errorf("%q is in the log:\n%s", word, text)
		}
	}
}

func TestLogSaysWhatHappened(t *testing.T) {
	book, observer := newLog(slog.LevelInfo)
	up := &upgrade.Upgrader{Observer: observer}
	c := connect(t, newServer(t, up.Shadow(always(banned))(up.Handler(run(echoAll)))))
	c.say("hello")
	c.leave(4321)
	eventually(t, "the first end is logged", func() bool {
		ended, _ := book.lines(t, "websocket ended")
		return len(ended) == 1
	})
	d := connect(t, newServer(t, up.Use(always(expired))(forbidden(t))))
	d.wantClose(4401, expiredText)
	d.bye()
	eventually(t, "the denial is logged", func() bool {
		settled, _ := book.lines(t, "websocket settled")
		return len(settled) == 2
	})
	p := admit(t, up, func(context.Context, *upgrade.Conn) error { panic("boom") })
	p.wantClose(1011, "internal_error;do=backoff")
	p.bye()
	wantEmpty(t, up)
	if err := up.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		message string
		at      int // which of them
		of      int
		want    map[string]any
	}{
		{message: "websocket settled", of: 3, want: map[string]any{"level": "INFO", "outcome": "admitted", "status": 101.0, "path": "/ws"}},
		{message: "websocket settled", at: 1, of: 3, want: map[string]any{"level": "INFO", "outcome": "closed", "code": 4401.0, "slug": "token_expired", "close_code": 4401.0}},
		{message: "websocket started", of: 2, want: map[string]any{"level": "INFO", "session": 1.0, "remote": c.LocalAddr().String()}},
		{message: "websocket ended", of: 2, want: map[string]any{"level": "INFO", "session": 1.0, "closed_by": "client", "close_code": 4321.0}},
		{message: "websocket panicked", of: 1, want: map[string]any{"level": "ERROR", "session": 2.0, "policy": "session"}},
		{message: "websocket shadowed", of: 0},
	} {
		lines, text := book.lines(t, tc.message)
		if len(lines) != tc.of {
			t.Errorf("%d of %q, want %d:\n%s", len(lines), tc.message, tc.of, text)
			continue
		}
		for key, want := range tc.want {
			if got := lines[tc.at][key]; got != want {
				t.Errorf("%s: %s is %v, want %v", tc.message, key, got, want)
			}
		}
	}
	ended, _ := book.lines(t, "websocket ended")
	if read, _ := ended[0]["read"].(map[string]any); read["messages"] != 1.0 || read["bytes"] != 19.0 {
		t.Errorf("read %v", ended[0]["read"])
	}
	panicked, _ := book.lines(t, "websocket panicked")
	if stack, _ := panicked[0]["stack"].(string); !strings.Contains(stack, "TestLogSaysWhatHappened") {
		t.Errorf("the stack is %q", stack)
	}
}

// It is set up before anything is logged: without a Logger it must not fail at each event.
func TestLogObserverWithoutLogger(t *testing.T) {
	var l logbook
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewJSONHandler(&l, nil)))
	t.Cleanup(func() { slog.SetDefault(before) })
	upgrade.LogObserver(nil).Observe(upgrade.Event{Context: t.Context(), Kind: upgrade.Settled})
	if found, text := l.lines(t, "websocket settled"); len(found) != 1 {
		t.Errorf("got %q", text)
	}
}
