package http2

import (
	"context"
	"encoding/json"
	"os"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/wsverdict/wsverdict/examples/internal/chrome"
)

// A browser has one page. run runs the body of an async function in it, and decodes what that returns.
type browser interface {
	open(t *testing.T, url string)
	run(t *testing.T, script string, to any)
}

// inBrowsers runs a test in both browsers.
func inBrowsers(t *testing.T, test func(t *testing.T, b browser)) {
	t.Run("chromium", func(t *testing.T) { test(t, chromium{chrome.Tab(t)}) })
	t.Run("firefox", func(t *testing.T) {
		if findFirefox() == "" {
			if os.Getenv("WSVERDICT_REQUIRE_ALL") == "1" {
				t.Fatal("no Firefox found, and WSVERDICT_REQUIRE_ALL=1 is set")
			}
			t.Skip("no Firefox found")
		}
		f, err := startFirefox()
		if err != nil {
			t.Fatal(err)
		}
		test(t, f)
	})
}

type chromium struct{ tab context.Context }

func (c chromium) open(t *testing.T, url string) {
	t.Helper()
	if err := chromedp.Do(c.tab, chromedp.Navigate(url)); err != nil {
		t.Fatal(err)
	}
}

func (c chromium) run(t *testing.T, script string, to any) {
	t.Helper()
	text, err := chromedp.Run(c.tab, chromedp.Evaluate[string]("(async () => {"+script+"})().then((v) => JSON.stringify(v))", chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(text), to); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
}
