// Package client tests the page's client in real browsers, against real servers of this library.
package client

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/wsverdict/wsverdict/codes"
)

// patience is for a browser that hangs: no test should come near it.
const patience = 2 * time.Minute

// A browser runs scenarios, the functions of page/scenarios.js, one after the other. Nothing drives it: its page asks for the next
// one and tells what happens, by fetch.
type browser struct {
	name    string
	origin  string
	tasks   chan task
	events  chan event
	returns chan struct{} // one is taken to let a page come back that was left
}

type task struct {
	Scenario string `json:"scenario"`
	Args     any    `json:"args"`
}

// An event is what a scenario told. The last one of each is "done" or "failed".
type event struct {
	What string          `json:"what"`
	Data json.RawMessage `json:"data"`
}

// inBrowsers runs a test in every browser.
func inBrowsers(t *testing.T, test func(t *testing.T, b *browser)) {
	for _, one := range []struct {
		name     string
		programs []string
		started  func() (*browser, error)
	}{
		{"chromium", chromiums, chromium},
		{"firefox", firefoxes, firefox},
	} {
		t.Run(one.name, func(t *testing.T) {
			t.Parallel() // with the other browser
			if find(one.programs) == "" {
				if os.Getenv("WSVERDICT_REQUIRE_ALL") == "1" {
					t.Fatalf("no %s found, and WSVERDICT_REQUIRE_ALL=1 is set", one.name)
				}
				t.Skipf("no %s found", one.name)
			}
			b, err := one.started()
			if err != nil {
				t.Fatal(err)
			}
			b.name = one.name
			test(t, b)
		})
	}
}

// start has the browser run a scenario.
func (b *browser) start(t *testing.T, scenario string, args any) {
	t.Helper()
	select {
	case b.tasks <- task{scenario, args}:
	case <-time.After(patience):
		t.Fatal("the browser does not ask for work")
	}
}

// awaitBoth waits for the next two events, of pages that do not wait for each other.
func (b *browser) awaitBoth(t *testing.T, one, other string) {
	t.Helper()
	first := within(t, b.events, "the pages do not tell "+one+" and "+other).What
	if first == other {
		other = one
	} else if first != one {
		t.Fatalf("a page told %q, want %q or %q", first, one, other)
	}
	b.await(t, other, nil)
}

// await returns the data of the next event, which must be the one that is wanted.
func (b *browser) await(t *testing.T, what string, data any) {
	t.Helper()
	select {
	case e := <-b.events:
		if e.What != what {
			t.Fatalf("the page told %q (%s), want %q", e.What, e.Data, what)
		}
		if data == nil {
			return
		}
		if err := json.Unmarshal(e.Data, data); err != nil {
			t.Fatal(err)
		}
	case <-time.After(patience):
		t.Fatalf("the page does not tell %q", what)
	}
}

var (
	chromiums = []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"}
	firefoxes = []string{"firefox-esr", "firefox"}

	chromium = sync.OnceValues(func() (*browser, error) {
		return launch(func(profile, url string) *exec.Cmd {
			return exec.Command(find(chromiums), "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync",
				"--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage", "--disable-popup-blocking",
				"--user-data-dir="+profile, url)
		})
	})
	firefox = sync.OnceValues(func() (*browser, error) {
		return launch(func(profile, url string) *exec.Cmd {
			return exec.Command(find(firefoxes), "--headless", "--no-remote", "--profile", profile, url)
		})
	})

	stopping sync.Mutex
	stops    []func()
)

func find(programs []string) string {
	for _, name := range programs {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

func TestMain(m *testing.M) {
	code := m.Run()
	for _, stop := range stops {
		stop()
	}
	os.Exit(code)
}

// launch starts a browser on a fresh profile, at a page that waits for scenarios.
func launch(command func(profile, url string) *exec.Cmd) (*browser, error) {
	profile, err := os.MkdirTemp("", "wsverdict-browser-")
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(profile, "user.js"), []byte(firefoxPrefs), 0o600); err != nil {
		return nil, err
	}
	b := &browser{tasks: make(chan task), events: make(chan event, 100), returns: make(chan struct{})}
	server := httptest.NewServer(b.pages())
	b.origin = server.URL
	cmd := command(profile, server.URL)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a browser is many processes
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s does not start: %w", cmd.Path, err)
	}
	stopping.Lock()
	defer stopping.Unlock()
	stops = append(stops, func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
		server.CloseClientConnections()
		server.Close()
		_ = os.RemoveAll(profile)
	})
	return b, nil
}

const firefoxPrefs = `
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("browser.aboutwelcome.enabled", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("app.update.enabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("toolkit.telemetry.reportingpolicy.firstRun", false);
user_pref("privacy.webrtc.legacyGlobalIndicator", false);
`

// pages serves the page, the client, and the two ways between the page and the tests.
func (b *browser) pages() http.Handler {
	mux := http.NewServeMux()
	files := http.FileServerFS(os.DirFS("page"))
	mux.Handle("GET /", noStore(files))
	mux.Handle("GET /leaving.html", files) // no-store would keep it out of the back/forward cache
	mux.Handle("GET /wsverdict/", codes.Script())
	mux.HandleFunc("GET /task", func(w http.ResponseWriter, r *http.Request) {
		select {
		case task := <-b.tasks:
			_ = json.NewEncoder(w).Encode(task)
		case <-r.Context().Done():
		}
	})
	mux.HandleFunc("GET /return", func(_ http.ResponseWriter, r *http.Request) {
		select {
		case b.returns <- struct{}{}:
		case <-r.Context().Done():
		}
	})
	mux.HandleFunc("POST /event", func(w http.ResponseWriter, r *http.Request) {
		var e event
		if json.NewDecoder(r.Body).Decode(&e) == nil {
			b.events <- e
		}
	})
	return mux
}

func noStore(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		h.ServeHTTP(w, r)
	})
}
