package upgrade_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/gobwas/ws"

	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
	"github.com/wsverdict/wsverdict/upgrade/upgradetest"
)

// A ledger is an Observer that keeps everything, sessions' events too.
type ledger struct {
	mu     sync.Mutex
	events []upgrade.Event
}

func (l *ledger) Observe(e upgrade.Event) {
	e.Request = nil // it is not to be kept
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, e)
}

func (l *ledger) all(k upgrade.Kind) (found []upgrade.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.events {
		if e.Kind == k {
			found = append(found, e)
		}
	}
	return found
}

// await waits for the first event of a kind.
func (l *ledger) await(t testing.TB, k upgrade.Kind) upgrade.Event {
	t.Helper()
	eventually(t, "an event "+k.String(), func() bool { return len(l.all(k)) > 0 })
	return l.all(k)[0]
}

// listen reads until the end, and returns it.
func listen(ctx context.Context, c *upgrade.Conn) error {
	for {
		if _, _, err := c.Read(ctx, nil); err != nil {
			return err
		}
	}
}

// wait does not read at all.
func wait(ctx context.Context, _ *upgrade.Conn) error {
	<-ctx.Done()
	return nil
}

// connect is a client that was admitted.
func connect(t testing.TB, addr string, changes ...string) *client {
	t.Helper()
	c, res := handshake(t, addr, changes...)
	wantStatus(t, res, 101)
	return c
}

// connectInMemory is connect in a bubble of testing/synctest: time passes there when all wait for it,
// so that no machine is too slow. Call it in a test of its own: a bubble has no subtests.
func connectInMemory(t testing.TB, h http.Handler) *client {
	t.Helper()
	c := upgradetest.Open(t, h, "/ws")
	c.Pongs = false
	return &client{c, t, c.In}
}

// say sends a text and wants it back.
func (c *client) say(text string) {
	c.t.Helper()
	c.Say(text, text)
}

// leave closes with a code and wants the answer.
func (c *client) leave(code ws.StatusCode) {
	c.t.Helper()
	c.Leave(uint16(code))
}

// closed reads a close frame, whatever it says.
func (c *client) closed() (code uint16, reason string) {
	c.t.Helper()
	return c.ReadClose()
}

// vanish goes as a client does whose process was killed: without a close frame.
func (c *client) vanish() { c.Close() }

// stacks returns the goroutines in whose stack there is text.
func stacks(text string) (found []string) {
	buf := make([]byte, 4<<20)
	for stack := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if strings.Contains(stack, text) {
			found = append(found, stack)
		}
	}
	return found
}

// byQuery is a policy that brings what bring makes of a query parameter, where there is one.
func byQuery(name string, bring func(v policy.Verdict, value string) policy.Verdict) policy.Policy {
	return policy.Func(func(r *http.Request) policy.Verdict {
		v := policy.Allow()
		for _, value := range r.URL.Query()[name] {
			v = bring(v, value)
		}
		return v
	})
}

// tagged gives connections the tags in their query: ?user=alice&room=1
func tagged(up *upgrade.Upgrader) func(http.Handler) http.Handler {
	user := byQuery("user", func(v policy.Verdict, value string) policy.Verdict { return v.WithTag("user", value) })
	room := byQuery("room", func(v policy.Verdict, value string) policy.Verdict { return v.WithTag("room", value) })
	return func(h http.Handler) http.Handler { return wrap(h, up.Use(user), foreign, up.Use(room)) }
}

func at(query string) string { return "GET /ws?" + query + " HTTP/1.1" }

// quiet keeps what the tests provoke out of the log.
func quiet(t *testing.T) {
	before := slog.Default()
	slog.SetDefault(slog.New(slog.DiscardHandler))
	t.Cleanup(func() { slog.SetDefault(before) })
}

// isGone reports whether a connection's error is that the other side has ended it, in one way or
// another.
func isGone(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
