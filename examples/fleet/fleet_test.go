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
	both := func(state string) chromedp.Action[chromedp.Void] {
		return chromedp.Poll[chromedp.Void](fmt.Sprintf(
			`[...document.querySelectorAll(".state")].map(s => s.textContent).join("|").match(/^%[1]s\|%[1]s$/) !== null`, state),
			chromedp.WithPollingTimeout(0))
	}
	select {
	case u := <-url:
		do(t, tab, chromedp.Navigate(u), both("open"))
	case err := <-ended:
		ended <- err
		t.Fatal("it ended")
	}
	do(t, tab, chromedp.Click("#ban"), both(`closed: 4403 banned;do=stop`))
	do(t, tab, chromedp.Click("#unban"), chromedp.Click("#connect"))
	reconnect(t, tab, both("open"))
	do(t, tab, chromedp.Click("#drain"), both(`closed: 4503 maintenance;do=backoff(;after=[0-9]+)?`))
	do(t, tab, chromedp.Click("#open"))
	reconnect(t, tab, both("open"))
}

// reconnect presses the button until both are open: the other server may not know yet what the
// first was told.
func reconnect(t *testing.T, tab context.Context, open chromedp.Action[chromedp.Void]) {
	t.Helper()
	do(t, tab, chromedp.Poll[chromedp.Void](`(document.querySelector("#connect").click(), `+
		`[...document.querySelectorAll(".state")].every(s => s.textContent === "open"))`, chromedp.WithPollingTimeout(0)), open)
}

func do(t *testing.T, tab context.Context, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(tab, steps...); err != nil {
		t.Fatal(err)
	}
}
