package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestClientDoesWhatTheCodeSays ends the page's own connection in each way, and watches.
func TestClientDoesWhatTheCodeSays(t *testing.T) {
	tab := openPage(t, "http://"+start(t))
	isIn := func(state string) string {
		return fmt.Sprintf(`document.querySelector("#client .states [aria-current]")?.dataset.state === %q`, state)
	}
	story := func() string { return evaluate[string](t, tab, `document.querySelector("#story").innerText`) }
	do(t, tab, until(isIn("open")))
	for _, step := range []struct{ how, through string }{
		{"expired", "refreshing: 4401 token_expired, refresh"},
		{"restart", "waiting: 4503 restart, reconnect"},
		{"maintenance", "waiting: 4503 maintenance, backoff"},
	} {
		do(t, tab, chromedp.Click(`#client [data-how="`+step.how+`"]`),
			until(fmt.Sprintf(`document.querySelector("#story").innerText.includes(%q)`, step.through)),
			until(isIn("open")))
	}
	do(t, tab, chromedp.Click(`#client [data-how="banned"]`), until(isIn("closed")), chromedp.WaitVisible("#again"))
	if said := story(); !strings.Contains(said, "closed: 4403 banned, stop") {
		t.Errorf("the story:\n%s", said)
	}
	do(t, tab, chromedp.Click("#again"), until(isIn("open")))
}

// TestForetold holds what the page says before anybody has pressed against what comes of it.
func TestForetold(t *testing.T) {
	tab := openPage(t, "http://"+start(t))
	const results = `[...document.querySelectorAll(".result")].map((result) => result.innerText.replace(/Before you press:\s*/, "")
		.replace(/after \d+s/, "").replace(/\s+/g, " ").trim())`
	foretold := evaluate[[]string](t, tab, results)
	do(t, tab, until(`document.querySelector("#status").textContent.includes("in italics is what a case will show")`))
	if n := evaluate[int](t, tab, `document.querySelectorAll(".result.will").length`); n != len(foretold) {
		t.Errorf("%d of %d results are marked as foretold", n, len(foretold))
	}
	do(t, tab, chromedp.Click("#all"), until(allHaveRun))
	for i, got := range evaluate[[]string](t, tab, results) {
		if got != foretold[i] {
			t.Errorf("foretold %q, came %q", foretold[i], got)
		}
	}
}

// TestDetails shows the lines that decide, and the request without its token.
func TestDetails(t *testing.T) {
	tab := openPage(t, "http://"+start(t))
	s := press(t, tab, "not-a-member")
	request := s.Close.Wire["request"]
	if !strings.HasPrefix(request, "GET /ws/close/rooms/cellar HTTP/1.1\nHost: ") || !strings.Contains(request, "\nUpgrade: websocket\n") {
		t.Errorf("request %q", request)
	}
	if token := newestToken(request); len(token) > 20 || !strings.Contains(token, "…") {
		t.Errorf("the request shows the token %q", token)
	}
	decides := evaluate[string](t, tab, `document.querySelector("#not-a-member .decides pre").textContent`)
	if !strings.HasPrefix(decides, "func (p *playground) membersOnly(") || !strings.HasSuffix(decides, "\n}") {
		t.Errorf("the lines that decide: %q", decides)
	}
}

func newestToken(request string) string { return request[strings.LastIndex(request, " ")+1:] }

func TestIcon(t *testing.T) {
	addr := start(t)
	for _, path := range []string{"/favicon.ico", "/icon.svg"} {
		res, err := http.Get("http://" + addr + path)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != 200 || res.Header.Get("Content-Type") != "image/svg+xml" {
			t.Errorf("%s: %s %q", path, res.Status, res.Header.Get("Content-Type"))
		}
	}
}
