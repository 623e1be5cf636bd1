package browser

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/examples/internal/chrome"
)

// policyOfThePage allows scripts and connections of the page's own origin, and nothing else: no
// inline script, no eval.
const policyOfThePage = "default-src 'none'; script-src 'self'; connect-src 'self'; require-trusted-types-for 'script'"

// The client that Go serves runs under a strict Content-Security-Policy, and tells the page why it
// was refused.
func TestScriptUnderStrictPolicy(t *testing.T) {
	mux := http.NewServeMux()
	mux.Handle("/", routes(t))
	mux.Handle("GET /wsverdict/", codes.Script())
	mux.HandleFunc("GET /page", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Content-Security-Policy", policyOfThePage)
		_, _ = io.WriteString(w, `<!doctype html><title>strict</title>
			<script type="module" src="/page.js"></script><script>window.inlineRan = true</script>`)
	})
	mux.HandleFunc("GET /page.js", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		_, _ = io.WriteString(w, pageScript)
	})
	server := httptest.NewServer(mux)
	defer server.Close()

	tab := chrome.Tab(t)
	if err := chromedp.Do(tab, chromedp.Navigate(server.URL+"/page")); err != nil {
		t.Fatal(err)
	}
	seen, err := chromedp.Run(tab, chromedp.Evaluate[struct {
		Code         int
		Slug, Action string
		Modules      int
		Violations   []string
		InlineRan    bool
	}](`window.seen`, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatal(err)
	}
	if seen.Code != wantCode || seen.Slug != "token_expired" || seen.Action != "refresh" {
		t.Errorf("the page knows %+v, want %d %s", seen, wantCode, wantReason)
	}
	if seen.Modules != 5 {
		t.Errorf("%d modules export something, want 5", seen.Modules)
	}
	if seen.InlineRan {
		t.Error("an inline script ran: the policy is not in force")
	}
	if len(seen.Violations) > 0 {
		t.Errorf("the client did what the policy forbids: %v", seen.Violations)
	}
}

// The page cannot refresh its token, so the client ends with the first refusal.
const pageScript = `
const violations = [];
document.addEventListener("securitypolicyviolation", (event) => violations.push(event.violatedDirective + " " + event.blockedURI));
window.seen = (async () => {
	const modules = await Promise.all(["wsverdict", "profiles", "tabs", "explain", "renewal"].map((name) => import("/wsverdict/" + name + ".js")));
	const socket = modules[0].connect(location.origin.replace("http", "ws") + "/refused");
	for await (const message of socket) throw new Error("a message: " + message.data);
	const { code, slug, action } = socket.outcome;
	return { code, slug, action, violations, inlineRan: !!window.inlineRan,
		modules: modules.filter((m) => Object.values(m).some((value) => typeof value === "function" || typeof value === "object")).length };
})();
`
