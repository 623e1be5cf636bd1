package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/wsverdict/wsverdict/examples/internal/chrome"
)

func TestMain(m *testing.M) { os.Exit(chrome.Main(m)) }

// A ban that one server was told closes the connection to the other, and so does maintenance; both
// can be taken back.
func TestPage(t *testing.T) {
	if _, err := exec.LookPath("redis-server"); err != nil {
		if os.Getenv("WSVERDICT_REQUIRE_ALL") != "" {
			t.Fatal("redis-server is not installed")
		}
		t.Skip("redis-server is not installed")
	}
	tab := chrome.Tab(t)
	ctx, stop := context.WithCancel(context.Background())
	url, ended := make(chan string, 1), make(chan error, 1)
	go func() { ended <- run(ctx, "", func(u string) { url <- u }) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	select {
	case u := <-url:
		do(t, tab, chromedp.Navigate(u), chromedp.Evaluate[chromedp.Void](`{
			const fetches = window.fetch;
			window.underWay = 0;
			window.fetch = (...args) => (window.underWay++, fetches(...args).finally(() => window.underWay--));
		}`))
	case err := <-ended:
		ended <- err
		t.Fatal("it ended")
	}
	press(t, tab, "open", "connect")
	press(t, tab, `closed: 4403 banned;do=stop`, "ban")
	press(t, tab, "open", "unban", "connect")
	press(t, tab, `closed: 4503 maintenance;do=backoff(;after=[0-9]+)?`, "drain")
	press(t, tab, "open", "open", "connect")
}

// both says whether both connections are in a state.
func both(state string) string {
	return fmt.Sprintf(`[...document.querySelectorAll(".state")].map(s => s.textContent).join("|").match(/^%[1]s\|%[1]s$/) !== null`, state)
}

// press presses buttons until both connections are in a state: Redis may be late, and the other server
// may not know yet what the first was told. Nothing is pressed while a request is under way, which could
// overtake another.
func press(t *testing.T, tab context.Context, state string, buttons ...string) {
	t.Helper()
	clicks := ""
	for _, id := range buttons {
		clicks += fmt.Sprintf("document.getElementById(%q).click(); ", id)
	}
	do(t, tab, until(fmt.Sprintf(`(() => {
		if (window.underWay) return false;
		if (%s) return true;
		if (!(performance.now() - window.pressed < 500)) {
			window.pressed = performance.now();
			%s
		}
	})()`, both(state), clicks)))
	do(t, tab, chromedp.Evaluate[chromedp.Void]("window.pressed = undefined"))
}

func until(expression string) chromedp.Action[chromedp.Void] {
	return chromedp.Poll[chromedp.Void](expression, chromedp.WithPollingTimeout(0))
}

func do(t *testing.T, tab context.Context, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(tab, steps...); err != nil {
		t.Fatal(err)
	}
}
