package client

import (
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wsverdict/wsverdict/upgrade"
)

// A page goes into the back/forward cache, and comes back. The server sees its connection end with 1001, which is no fault; the page
// connects at once, and does not wait. Firefox takes no page with a live WebSocket into that cache.
func TestBackForwardCache(t *testing.T) {
	inBrowsers(t, func(t *testing.T, b *browser) {
		if b.name != "chromium" {
			t.Skip("it discards such pages")
		}
		ended := make(chan upgrade.Event, 10)
		var log lockedBuffer
		s := observedSite(t, b, "", upgrade.Observers{
			upgrade.LogObserver(slog.New(slog.NewTextHandler(&log, nil))),
			upgrade.ObserverFunc(func(e upgrade.Event) {
				if e.Kind == upgrade.Ended {
					ended <- e
				}
			}),
		})
		b.start(t, "leave", map[string]any{"url": s.url(), "away": strings.Replace(b.origin, "127.0.0.1", "localhost", 1) + "/away.html"})
		b.awaitBoth(t, "done", "open") // by the page that opens the other, and by that one
		within(t, b.returns, "the page does not get to where it goes")
		e := within(t, ended, "the server does not see that the page was left") // Chromium 156 closes when the page returns
		if e.CloseCode != 1001 || e.Session.ClosedBy != upgrade.ByClient {
			t.Errorf("it ended with %d by %v, want 1001 by the client", e.CloseCode, e.Session.ClosedBy)
		}

		told := within(t, b.events, "the page does not come back")
		if told.What != "back" {
			t.Fatalf("the page was %s: %s", told.What, told.Data)
		}
		var got struct{ States []state }
		if err := json.Unmarshal(told.Data, &got); err != nil {
			t.Fatal(err)
		}
		if p := path(got.States); p != "open connecting open" { // from connecting; a wait would take minutes
			t.Errorf("states %q", p)
		}
		if n := s.attempts.Load(); n != 2 {
			t.Errorf("%d attempts, want 2", n)
		}
		if l := log.String(); !strings.Contains(l, "close_code=1001") || strings.Contains(l, "level=WARN") || strings.Contains(l, "level=ERROR") {
			t.Errorf("a page that was left is a fault in the log:\n%s", l)
		}
	})
}

// within returns what comes from a channel.
func within[T any](t *testing.T, c <-chan T, failing string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatal(failing)
		panic("unreachable")
	}
}

// A lockedBuffer is written and read at the same time.
type lockedBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
