package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/wsverdict/wsverdict/examples/internal/chrome"
)

const (
	testTime = 2 * time.Minute // for what hangs; nothing should come near it
	times    = 100

	byHandPath = "/by-hand"
	token      = "eyJhbGciOiJFUzI1NiJ9.e30.c2lnbmF0dXJl" // nobody looks at it
)

// TestDoesTheCloseCodeArrive is the question in the words of a script, asked a hundred times in each row.
func TestDoesTheCloseCodeArrive(t *testing.T) {
	for _, row := range []struct {
		name      string
		path      string
		secure    bool
		protocols []string
		sends     string // JavaScript, in onopen
	}{
		{name: "refused, nothing unread", path: "/refused"},
		{name: "refused, 64 KB unread", path: "/refused", sends: send64KB},
		{name: "refused, 64 KB unread, TLS", path: "/refused", sends: send64KB, secure: true},
		{name: "refused, 64 KB unread, token as a subprotocol", path: "/refused", sends: send64KB, protocols: []string{"bearer", token}},
		{name: "refused, 64 KB each millisecond", path: "/refused", sends: pump64KB},
		{name: "session ended, 64 KB unread", path: "/ended", sends: send64KB},
		{name: "session ended, 64 KB unread, TLS", path: "/ended", sends: send64KB, secure: true},
		{name: "session ended, 64 KB each millisecond", path: "/ended", sends: pump64KB},
		{name: "closed by hand, 64 KB unread", path: byHandPath, sends: send64KB},
	} {
		t.Run(row.name, func(t *testing.T) {
			server := newServer(t, row.secure)
			tab := chrome.Tab(t)
			if err := chromedp.Do(tab, chromedp.Navigate(server.URL)); err != nil {
				t.Fatal(err)
			}
			seen := connect(t, tab, "ws"+strings.TrimPrefix(server.URL, "http")+row.path, row.protocols, row.sends)
			knew, clean, slowest := 0, 0, 0.
			for _, c := range seen {
				if c.Code == wantCode && c.Reason == wantReason {
					knew++
				}
				slowest = max(slowest, c.Took)
				if c.WasClean {
					clean++
				}
				if row.protocols != nil && c.Protocol != row.protocols[0] {
					t.Errorf("subprotocol %q, want %q", c.Protocol, row.protocols[0])
				}
			}
			t.Logf("%d of %d scripts knew code and reason; %d closes were clean; the slowest took %.0f ms", knew, len(seen), clean, slowest)
			if row.path == byHandPath {
				return // what arrives is up to timing: it is told, and fails nothing
			}
			if knew != len(seen) {
				t.Errorf("%d of %d scripts did not know; the last saw %+v", len(seen)-knew, len(seen), seen[len(seen)-1])
			}
			// A page that has something left to send is never told that the close was clean.
			if row.sends == "" && clean != len(seen) {
				t.Errorf("%d of %d closes were unclean", len(seen)-clean, len(seen))
			}
		})
	}
}

const (
	send64KB = `socket.send(bytes)`
	pump64KB = `const pump = setInterval(() => socket.readyState === WebSocket.OPEN ? socket.send(bytes) : clearInterval(pump), 1); socket.send(bytes)`
)

// A closing is what a script gets to know.
type closing struct {
	Open     bool
	Protocol string
	Code     int
	Reason   string
	WasClean bool
	Took     float64 // milliseconds, to onclose
}

// connect opens sockets one after the other and returns what the script saw of each.
func connect(t *testing.T, tab context.Context, url string, protocols []string, sends string) []closing {
	t.Helper()
	list, err := json.Marshal(append([]string{}, protocols...))
	if err != nil {
		t.Fatal(err)
	}
	seen, err := chromedp.Run(tab, chromedp.Evaluate[[]closing](fmt.Sprintf(`(async () => {
		const bytes = new Uint8Array(64 << 10);
		const seen = [];
		while (seen.length < %d) {
			seen.push(await new Promise((resolve) => {
				const start = performance.now(), socket = new WebSocket(%q, %s);
				let Open = false;
				socket.onopen = () => { Open = true; %s };
				socket.onclose = ({ code, reason, wasClean }) =>
					resolve({ Open, Protocol: socket.protocol, Code: code, Reason: reason, WasClean: wasClean, Took: performance.now() - start });
			}));
		}
		return seen;
	})()`, times, url, list, sends), chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatal(err)
	}
	if len(seen) != times {
		t.Fatalf("%d sockets, want %d", len(seen), times)
	}
	return seen
}
