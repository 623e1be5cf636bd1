package middleware_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/wsverdict/wsverdict/middleware"
	"github.com/wsverdict/wsverdict/upgrade"
)

// passes asks an Origin link about one request.
func passes(link func(http.Handler) http.Handler, r *http.Request) bool {
	passed := false
	link(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { passed = true })).ServeHTTP(httptest.NewRecorder(), r)
	return passed
}

func TestOriginPatterns(t *testing.T) {
	patterns := []string{
		"https://app.example.com", "https://admin.example.org:8443", "https://*.example.com", "http://localhost:3000",
		"http://*.localhost:3000", "https://[::1]:9000", "https://xn--bcher-kva.example", "capacitor://localhost",
	}
	link := middleware.For(&upgrade.Upgrader{}).Origin(patterns...)
	for _, tc := range []struct {
		origin string
		want   bool
	}{
		{"https://app.example.com", true},
		{"https://app.example.com:443", true},
		{"HTTPS://APP.Example.COM", true},
		{"https://app.example.com.", true},
		{"http://app.example.com", false},
		{"https://app.example.com:8443", false},
		{"https://example.com", false},
		{"https://eu.example.com", true},
		{"https://a.b.example.com", true},
		{"https://evilexample.com", false},
		{"https://example.com.evil.test", false},
		{"https://app.example.com.evil.test", false},
		{"https://.example.com", false},
		{"https://admin.example.org:8443", true},
		{"https://admin.example.org", false},
		{"http://localhost:3000", true},
		{"http://a.localhost:3000", true},
		{"http://localhost", false},
		{"https://[::1]:9000", true},
		{"https://[0:0:0:0:0:0:0:1]:9000", true},
		{"https://xn--bcher-kva.example", true},
		{"https://bücher.example", false},
		{"capacitor://localhost", true},
		{"null", false},
		{"*", false},
		{"https://*.example.com", false},
		{"https://app.example.com/", false},
		{"https://user@app.example.com", false},
		{"https://app.example.com https://evil.test", false},
		{" https://app.example.com", false},
		{"https://app.example.com\\.evil.test", false},
		{"https://evil.test#https://app.example.com", false},
		{"https://evil.test?.example.com", false},
		{"https://app.example.com:0443", true},
		{"https://app.example.com:65979", false}, // 65979 - 65536 = 443
		{"", false},
	} {
		r := newRequest(t, "Origin", tc.origin)
		r.Host = "api.example.net" // nothing here is same-origin
		if got := passes(link, r); got != tc.want {
			t.Errorf("%q passes: %v, want %v", tc.origin, got, tc.want)
		}
	}
}

func TestOriginOptions(t *testing.T) {
	ws := func() middleware.Chain { return middleware.For(&upgrade.Upgrader{}) }
	for _, tc := range []struct {
		name   string
		link   func(http.Handler) http.Handler
		origin []string
		want   bool
	}{
		{"a list is the whole list", ws().Origin("https://other.example.com"), []string{"https://app.example.com"}, false},
		{"the own origin by name", ws().Origin(middleware.SameOrigin), []string{"https://app.example.com"}, true},
		{"the own origin alone", ws().Origin(middleware.SameOrigin), []string{"https://other.example.com"}, false},
		{"null by option", ws().OriginWith(middleware.OriginConfig{InsecureNull: true}), []string{"null"}, true},
		{"null by option, and nothing else", ws().OriginWith(middleware.OriginConfig{InsecureNull: true}), []string{"https://evil.test"}, false},
		{"no browser", ws().Origin(middleware.SameOrigin), nil, true},
		{"no browser, refused", ws().OriginWith(middleware.OriginConfig{Patterns: []string{middleware.SameOrigin}, RequireOrigin: true}), nil, false},
		{"two lines", ws().Origin(middleware.SameOrigin), []string{"https://app.example.com", "https://app.example.com"}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRequest(t)
			if tc.origin != nil {
				r.Header["Origin"] = tc.origin
			}
			if got := passes(tc.link, r); got != tc.want {
				t.Errorf("passes: %v, want %v", got, tc.want)
			}
		})
	}
}

func TestOriginMistakes(t *testing.T) {
	ws := middleware.For(&upgrade.Upgrader{})
	bad := []string{"*", "null", "example.com", "https://", "https://*", "https://*.com", "https://a.*.example.com", "https://*example.com",
		"https://*.192.0.2.1", "https://app.example.com/path", "https://[::1", "https://app.example.com:99999", ""}
	err := panicError(t, func() { ws.Origin(append([]string{"https://good.example.com"}, bad...)...) })
	if got := mistakes(t, err); got != len(bad) {
		t.Errorf("%d mistakes reported, want %d:\n%v", got, len(bad), err)
	}
	if panicError(t, func() { ws.Origin() }) == nil {
		t.Error("an empty list is no mistake")
	}
}

// What would let anybody's pages connect, and what no browser would ever send, is found when it is mounted.
func TestOriginPatternsThatAreMistakes(t *testing.T) {
	for _, pattern := range []string{
		"https://*.co.uk", "https://*.CO.UK.", "https://*.github.io", "https://*.vercel.app:8443", "https://*.com.au",
		"https://*.0.0.1", "https://*.1", "https://*.127.0.0.1", "https://*.0x7f", "https://*.example.0",
		"http://127.1", "http://0x7f.1", "http://2130706433", "http://192.168.0.256", "http://1.2.3.4.5", "http://example.08",
		"wss://app.example.com", "ws://localhost:3000", "wss://*.example.com", "file://localhost", "https://xn--f", "https://xn--",
		"https://xn--f.example.com", "https://*.xn--f.example", "https://app.xn--a-.example", "https://xn--99999999.example",
	} {
		err := panicError(t, func() { middleware.For(&upgrade.Upgrader{}).Origin(pattern) })
		if n := mistakes(t, err); n != 1 {
			t.Errorf("%s: %d mistakes: %v", pattern, n, err)
		}
	}
	for _, pattern := range []string{
		"https://*.example.co.uk", "https://*.user.github.io", "https://user.github.io", "http://127.0.0.1:3000", "http://[::1]",
		"https://xn--bcher-kva.example", "https://xn--p1ai", "https://*.xn--fiqs8s.example", "https://1.example",
		"https://0x.example", "https://a1", "tauri://localhost", "chrome-extension://abcdefghijklmnop", "http://*.localhost", "https://xn--ls8h.la",
	} {
		middleware.For(&upgrade.Upgrader{}).Origin(pattern) // panics for a mistake
	}
}

// The whole list is the program's affair; so is the decision not to care.
func TestOriginPublicSuffixes(t *testing.T) {
	list := func(domain string) (string, bool) { // as publicsuffix.PublicSuffix answers
		if domain == "acme.example" || strings.HasSuffix(domain, ".acme.example") {
			return "acme.example", false
		}
		return domain[strings.LastIndexByte(domain, '.')+1:], true
	}
	ws := middleware.For(&upgrade.Upgrader{})
	err := panicError(t, func() {
		ws.OriginWith(middleware.OriginConfig{Patterns: []string{"https://*.acme.example", "https://*.x.acme.example", "http://*.localhost"}, PublicSuffix: list})
	})
	if n := mistakes(t, err); n != 1 {
		t.Errorf("%d mistakes, want 1: %v", n, err)
	}
	link := ws.OriginWith(middleware.OriginConfig{Patterns: []string{"https://*.github.io"}, InsecurePublicSuffixes: true})
	if !passes(link, newRequest(t, "Origin", "https://anybody.github.io")) {
		t.Error("what was allowed does not pass")
	}
}

// slowMatch is the patterns' meaning, spelled out with net/url.
func slowMatch(pattern, origin string) bool {
	p, err := url.Parse(strings.Replace(pattern, "*.", "", 1))
	if err != nil {
		return false
	}
	o, err := url.Parse(origin)
	if err != nil || o.Scheme == "" || o.Host == "" || o.User != nil || o.Path != "" || o.RawQuery != "" || o.Fragment != "" {
		return false
	}
	port := func(u *url.URL) string {
		if u.Port() == "" {
			return map[string]string{"http": "80", "https": "443"}[u.Scheme]
		}
		return strings.TrimLeft(u.Port(), "0")
	}
	host := func(u *url.URL) string { return strings.ToLower(strings.TrimSuffix(u.Hostname(), ".")) }
	if o.Scheme != p.Scheme || port(o) != port(p) {
		return false
	}
	if strings.Contains(pattern, "*.") {
		return strings.HasSuffix(host(o), "."+host(p))
	}
	return host(o) == host(p)
}

// What passes must pass the slow reference as well. (The reverse does not hold: net/url forgives more than an origin may contain.)
func FuzzOriginPatterns(f *testing.F) {
	patterns := []string{"https://app.example.com", "https://*.example.com", "http://localhost:3000", "https://[::1]:9000"}
	for _, seed := range []string{"https://app.example.com", "https://a.b.example.com:443", "https://evilexample.com", "http://LOCALHOST.:3000",
		"https://[0::1]:9000", "https://x@app.example.com", "https://app.example.com:0443", "null", "https://..example.com"} {
		f.Add(seed)
	}
	links := make([]func(http.Handler) http.Handler, len(patterns))
	for i, pattern := range patterns {
		links[i] = middleware.For(&upgrade.Upgrader{}).Origin(pattern)
	}
	f.Fuzz(func(t *testing.T, origin string) {
		for i, pattern := range patterns {
			r := newRequest(t)
			r.Header["Origin"] = []string{origin}
			r.Host = "elsewhere.test"
			got := passes(links[i], r)
			if strings.Contains(pattern, "[") {
				continue // net/url does not normalise IPv6; that it does not panic is enough
			}
			if got && !slowMatch(pattern, origin) {
				t.Errorf("%q passes %q", origin, pattern)
			}
			if simple := strings.Trim(origin, "abcdefghijklmnopqrstuvwxyz.:/0123456789") == ""; simple && !got && slowMatch(pattern, origin) &&
				!strings.Contains(origin, "..") && !strings.Contains(origin, "/.") && !strings.HasSuffix(origin, ":") {
				t.Errorf("%q does not pass %q", origin, pattern)
			}
		}
	})
}
