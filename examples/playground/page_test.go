package main

import (
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/wsverdict/wsverdict/examples/internal/chrome"
)

const allHaveRun = `!document.querySelector(".case:not([data-state=done], [data-state=failed])")`

// TestRunAll opens the page under the server's other name, so that the foreign origin is the first one.
func TestRunAll(t *testing.T) {
	tab := openPage(t, "http://"+strings.Replace(start(t), "127.0.0.1", "localhost", 1))
	do(t, tab, chromedp.Click("#all"), until(`document.querySelector("#status").textContent.endsWith("cases have run.")`))
	if said := evaluate[string](t, tab, `document.querySelector("#status").textContent`); said != "16 of 16 cases have run." {
		t.Errorf("said %q", said)
	}
	if s := read(t, tab, "foreign"); !strings.HasPrefix(s.Plain.Script["origin"], "http://127.0.0.1:") {
		t.Errorf("foreign origin: %q", s.Plain.Script["origin"])
	}
}

// TestKeyboard uses the page without a mouse, and listens to what a screen reader is told.
func TestKeyboard(t *testing.T) {
	tab := openPage(t, "http://"+start(t))
	do(t, tab, chromedp.Focus("#expired .run"), chromedp.KeyEvent(kb.Enter))
	const want = "Expired token: with a close frame 4401 token_expired refresh; with a status 1006 hides a 401."
	if s := read(t, tab, "expired"); s.Said != want {
		t.Errorf("said %q, want %q", s.Said, want)
	}
	if role := evaluate[string](t, tab, `document.querySelector("#status").role`); role != "status" {
		t.Errorf("role %q", role)
	}
	do(t, tab, chromedp.WaitVisible("#expired-details"))
	do(t, tab, chromedp.KeyEvent(kb.Tab)) // from the case's button to its details'
	const focused = `document.activeElement === document.querySelector("#expired .more") && document.activeElement.matches(":focus-visible")
		&& getComputedStyle(document.activeElement).outlineStyle !== "none"`
	if !evaluate[bool](t, tab, focused) {
		t.Error("the details' button does not show that it has the focus")
	}
	do(t, tab, chromedp.KeyEvent(" "), chromedp.WaitNotVisible("#expired-details"))
	if expanded := evaluate[string](t, tab, `document.querySelector("#expired .more").ariaExpanded`); expanded != "false" {
		t.Errorf("aria-expanded: %q", expanded)
	}
}

// TestPhone opens everything on the narrowest screen: nothing may stick out.
func TestPhone(t *testing.T) {
	tab := openPage(t, "http://"+start(t))
	do(t, tab, chromedp.EmulateViewport(320, 640), chromedp.Click("#all"), until(allHaveRun))
	const openAll = `document.querySelectorAll(".more").forEach((more) => more.click())`
	do(t, tab, chromedp.Evaluate[chromedp.Void](openAll))
	if width := evaluate[int](t, tab, `document.documentElement.scrollWidth`); width > 320 {
		t.Errorf("the page is %d wide, want at most 320", width)
	}
	const out = `[...document.querySelectorAll("body *:not(.sr)")].filter((e) => e.getBoundingClientRect().right > 320).map((e) => e.outerHTML.slice(0, 80))`
	if sticking := evaluate[[]string](t, tab, out); len(sticking) > 0 {
		t.Errorf("sticking out: %q", sticking)
	}
}

// TestNothingFromElsewhere watches every request of the page and of its frames.
func TestNothingFromElsewhere(t *testing.T) {
	addr := start(t)
	_, port, _ := strings.Cut(addr, ":")
	tab := chrome.Tab(t)
	var mu sync.Mutex
	var seen []string
	if err := chromedp.Listen(tab, func(event any) {
		mu.Lock()
		defer mu.Unlock()
		switch e := event.(type) {
		case *network.EventRequestWillBeSent:
			seen = append(seen, e.Request.URL)
		case *network.EventWebSocketCreated:
			seen = append(seen, e.URL)
		}
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Call(tab, network.Enable, network.EnableParams{}); err != nil {
		t.Fatal(err)
	}
	do(t, tab, chromedp.Navigate("http://"+addr), chromedp.Click("#all"), until(allHaveRun))
	mu.Lock()
	defer mu.Unlock()
	if len(seen) < 20 {
		t.Errorf("saw %d requests: %q", len(seen), seen)
	}
	for _, address := range seen {
		u, err := url.Parse(address)
		if err != nil {
			t.Errorf("%q: %v", address, err)
		} else if u.Scheme != "data" && u.Host != addr && u.Host != "localhost:"+port {
			t.Errorf("a request for %s", address)
		}
	}
}

// TestShortOnAPhone: all cases at a glance, in a few screens.
func TestShortOnAPhone(t *testing.T) {
	tab := openPage(t, "http://"+start(t))
	do(t, tab, chromedp.EmulateViewport(390, 844), chromedp.Click("#all"), until(allHaveRun))
	if height := evaluate[int](t, tab, `document.documentElement.scrollHeight`); height > 3*844 {
		t.Errorf("the page is %d high, want at most three screens", height)
	}
}
