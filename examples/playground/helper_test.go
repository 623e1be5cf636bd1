package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/wsverdict/wsverdict/examples/internal/chrome"
)

// beMain in the environment makes the test binary the playground itself.
const beMain = "WSVERDICT_PLAYGROUND_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(beMain) != "" {
		main()
	}
	shortLife = 4 * time.Second // a busy browser has its echo before
	os.Exit(chrome.Main(m))
}

// start serves the playground until the test ends, and returns its address.
func start(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- serve(ctx, listener) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return listener.Addr().String()
}

// openPage opens the playground at url in a tab of its own.
func openPage(t *testing.T, url string) context.Context {
	t.Helper()
	tab := chrome.Tab(t)
	do(t, tab, chromedp.Navigate(url))
	return tab
}

func do(t *testing.T, tab context.Context, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(tab, steps...); err != nil {
		t.Fatal(err)
	}
}

// until waits until a script's expression is true; the tab's own deadline bounds it.
func until(expression string) chromedp.Action[chromedp.Void] {
	return chromedp.Poll[chromedp.Void](expression, chromedp.WithPollingTimeout(0))
}

func evaluate[T any](t *testing.T, tab context.Context, script string) T {
	t.Helper()
	value, err := chromedp.Run(tab, chromedp.Evaluate[T](script))
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// A shown is what the page shows of a case.
type shown struct {
	State string // "done" or "failed"
	Said  string // to a screen reader
	Close *panel // nil where the case has no such form
	Plain *panel
}

type panel struct {
	Glance                string
	Verdict, Wire, Script map[string]string
}

// press presses the button of a case and returns what the page then shows.
func press(t *testing.T, tab context.Context, id string) shown {
	t.Helper()
	do(t, tab,
		chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`document.getElementById(%q).dataset.state = ""`, id)),
		chromedp.Click("#"+id+" .run"),
	)
	return read(t, tab, id)
}

// read waits until a case has run.
func read(t *testing.T, tab context.Context, id string) shown {
	t.Helper()
	do(t, tab, until(fmt.Sprintf(`["done", "failed"].includes(document.getElementById(%q).dataset.state)`, id)))
	s := evaluate[shown](t, tab, fmt.Sprintf(readScript, id))
	if s.State != "done" {
		t.Fatalf("%s: the page says: %s", id, s.Said)
	}
	return s
}

const readScript = `(() => {
	const item = document.getElementById(%q);
	const fields = (panel, column) => Object.fromEntries(
		[...panel.querySelectorAll("[data-column=" + column + "] [data-field]")].map((e) => [e.dataset.field, e.textContent]));
	const form = (name) => {
		const panel = item.querySelector("[data-form=" + name + "]");
		return panel && {
			Glance: item.querySelector("[data-glance=" + name + "]").dataset.kind,
			Verdict: fields(panel, "verdict"),
			Wire: fields(panel, "wire"),
			Script: fields(panel, "script"),
		};
	};
	return {
		State: item.dataset.state,
		Said: document.getElementById("status").textContent,
		Close: form("close"),
		Plain: form("status"),
	};
})()`
