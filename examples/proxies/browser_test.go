package proxies

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/wsverdict/wsverdict/examples/internal/chrome"
	"github.com/wsverdict/wsverdict/upgrade"
)

// TestBrowser: a script is told the code, with 64 KB queued. Through HAProxy its WebSocket is a stream of the page's HTTP/2 connection
// (RFC 8441).
func TestBrowser(t *testing.T) {
	for i := range all { // one after the other: they share the browser
		p := &all[i]
		t.Run(p.name, func(t *testing.T) {
			p.find(t)
			s := newServer(t, &upgrade.Upgrader{})
			var changes []change
			version := ""
			if p.name == "HAProxy" {
				version = "2.0"
				changes = []change{{"option forwardfor", "option forwardfor\n    http-request set-header X-Client-Version %[req.ver]"}}
			}
			site := p.run(t, s, changes...)
			tab := chrome.Tab(t)
			if err := chromedp.Do(tab, chromedp.Navigate("https://"+site+"/ws/page")); err != nil {
				t.Fatal(err)
			}
			const times = 20
			seen, err := chromedp.Run(tab, chromedp.Evaluate[[]string](fmt.Sprintf(`(async () => {
				const seen = [];
				while (seen.length < %d) {
					const socket = new WebSocket("/ws/refused");
					socket.onopen = () => socket.send(new Uint8Array(64 << 10));
					const { code, reason } = await new Promise((resolve) => socket.onclose = resolve);
					seen.push(code + " " + reason);
				}
				return seen;
			})()`, times), chromedp.EvalAwaitPromise))
			if err != nil {
				t.Fatal(err)
			}
			for _, got := range seen {
				if want := fmt.Sprint(wantCode, " ", wantReason); got != want {
					t.Fatalf("the script saw %q, want %q", got, want)
				}
			}
			for _, e := range s.at(t, "/ws/refused", times) {
				if e.version != version {
					t.Fatalf("HTTP version %q in front of the proxy, want %q", e.version, version)
				}
			}
		})
	}
}
