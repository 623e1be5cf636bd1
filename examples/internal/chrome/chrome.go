// Package chrome gives tests a real browser: one headless Chromium for a package, a fresh tab for each test.
package chrome

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// patience is how long a test may use its tab. It is for a browser that hangs: no test should come near it.
const patience = 4 * time.Minute

var browser struct {
	once sync.Once
	ctx  context.Context
	stop func()
	err  error
}

// Main runs a package's tests, and ends the browser behind them. Call it from TestMain.
func Main(m *testing.M) int {
	code := m.Run()
	Stop()
	return code
}

// Stop ends the browser, if one was started.
func Stop() {
	if browser.stop != nil {
		browser.stop()
	}
}

// ErrMissing means that there is no Chromium on this machine.
var ErrMissing = errors.New("no Chromium found")

// Open returns a context for chromedp, with a tab in a browser profile of its own, and what closes it.
func Open() (tab context.Context, closeTab context.CancelFunc, err error) {
	path := find()
	if path == "" {
		return nil, nil, ErrMissing
	}
	browser.once.Do(func() { start(path) })
	if browser.err != nil {
		return nil, nil, fmt.Errorf("%s does not start: %w", path, browser.err)
	}
	tab, closeTab = chromedp.NewContext(browser.ctx, chromedp.WithNewBrowserContext())
	if err := chromedp.Do(tab); err != nil { // opens it
		closeTab()
		return nil, nil, err
	}
	return tab, closeTab, nil
}

// Tab returns a context for chromedp, with a tab that is closed when the test ends. Without Chromium the test is skipped; where
// WSVERDICT_REQUIRE_ALL=1 is set it fails.
func Tab(t *testing.T) context.Context {
	t.Helper()
	tab, closeTab, err := Open()
	if errors.Is(err, ErrMissing) && os.Getenv("WSVERDICT_REQUIRE_ALL") != "1" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(closeTab)
	ctx, cancel := context.WithTimeout(tab, patience)
	t.Cleanup(cancel)
	return ctx
}

// Watch is HTML for the head of a test's page, so that Wait sees what its scripts fail with.
const Watch = `<script>
	addEventListener("error", ({ message }) => (window.failed ??= message ?? "a script, or a module that it imports, does not load"), true);
	addEventListener("unhandledrejection", ({ reason }) => (window.failed ??= String(reason)));
</script>`

// Wait waits until a condition in JavaScript is true in the tab. If a script of its page fails, which
// has Watch in its head, the test does at once, with the page's words.
func Wait(t testing.TB, tab context.Context, condition string) {
	t.Helper()
	if err := chromedp.Do(tab, chromedp.Poll[chromedp.Void](`!!window.failed || !!(`+condition+`)`, chromedp.WithPollingTimeout(0))); err != nil {
		t.Fatal(err)
	}
	if failed, err := chromedp.Run(tab, chromedp.Evaluate[string](`window.failed ?? ""`)); err != nil || failed != "" {
		t.Fatalf("the page: %s (%v)", failed, err)
	}
}

func find() string {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// start launches Chromium on a fresh profile, which chromedp removes in the end.
func start(path string) {
	options := []chromedp.ExecAllocatorOption{chromedp.ExecPath(path), chromedp.WSURLReadTimeout(patience)}
	for _, name := range []string{"headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking",
		"disable-component-update", "disable-sync", "disable-dev-shm-usage", "hide-scrollbars",
		"ignore-certificate-errors", // the tests' own certificates
	} {
		options = append(options, chromedp.Flag(name, true))
	}
	allocator, free := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, closeBrowser := chromedp.NewContext(allocator)
	browser.ctx = ctx
	browser.stop = func() {
		closeBrowser()
		free()
	}
	browser.err = chromedp.Do(ctx)
}
