package codes_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/wsverdict/wsverdict/codes"
)

func TestScriptServesEveryModule(t *testing.T) {
	mux := http.NewServeMux()
	mux.Handle("GET /wsverdict.js", codes.Script())
	mux.Handle("/assets/", codes.Script())
	server := httptest.NewServer(mux)
	defer server.Close()

	files, _ := filepath.Glob("client/dist/*.js")
	if len(files) == 0 {
		t.Fatal("there is no client")
	}
	etags := map[string]bool{}
	for _, file := range files {
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		paths := []string{"/assets/" + filepath.Base(file), "/assets/v1/" + filepath.Base(file)}
		if filepath.Base(file) == "wsverdict.js" {
			paths = append(paths, "/wsverdict.js")
		}
		for _, path := range paths {
			resp, body := request(t, http.MethodGet, server.URL+path, nil)
			if resp.StatusCode != http.StatusOK || !bytes.Equal(body, want) {
				t.Errorf("%s: status %d, %d bytes, want those of %s", path, resp.StatusCode, len(body), file)
			}
			etag := resp.Header.Get("Etag")
			for name, want := range map[string]string{
				"Content-Type":           "text/javascript; charset=utf-8",
				"X-Content-Type-Options": "nosniff",
				"Cache-Control":          "no-cache",
				"Last-Modified":          "",
			} {
				if got := resp.Header.Get(name); got != want {
					t.Errorf("%s: %s %q, want %q", path, name, got, want)
				}
			}
			if !regexp.MustCompile(`^"[\w-]{22}"$`).MatchString(etag) {
				t.Errorf("%s: ETag %q is no strong one", path, etag)
			}
			etags[etag] = true

			head, body := request(t, http.MethodHead, server.URL+path, nil)
			if head.StatusCode != http.StatusOK || len(body) > 0 || head.ContentLength != int64(len(want)) || head.Header.Get("Etag") != etag {
				t.Errorf("HEAD %s: status %d, length %d, ETag %q", path, head.StatusCode, head.ContentLength, head.Header.Get("Etag"))
			}
			for condition, want := range map[string]int{
				etag: http.StatusNotModified, `"other", ` + etag: http.StatusNotModified, "W/" + etag: http.StatusNotModified,
				"*": http.StatusNotModified, `"other"`: http.StatusOK,
			} {
				again, body := request(t, http.MethodGet, server.URL+path, http.Header{"If-None-Match": {condition}})
				if again.StatusCode != want || want == http.StatusNotModified && len(body) > 0 {
					t.Errorf("%s, If-None-Match %s: %d with %d bytes, want %d", path, condition, again.StatusCode, len(body), want)
				}
			}
		}
	}
	if len(etags) != len(files) {
		t.Errorf("%d ETags for %d modules", len(etags), len(files))
	}
}

func TestScriptRefuses(t *testing.T) {
	for _, tc := range []struct {
		method, path string
		status       int
	}{
		{http.MethodGet, "/", http.StatusNotFound},
		{http.MethodGet, "/other.js", http.StatusNotFound},
		{http.MethodGet, "/package.json", http.StatusNotFound},
		{http.MethodGet, "/wsverdict.js/", http.StatusNotFound},
		{http.MethodGet, "/WSVERDICT.JS", http.StatusNotFound},
		{http.MethodGet, "/../script.go", http.StatusNotFound},
		{http.MethodPost, "/wsverdict.js", http.StatusMethodNotAllowed},
		{http.MethodOptions, "/wsverdict.js", http.StatusMethodNotAllowed},
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(tc.method, "/", nil)
		r.URL.Path = tc.path
		codes.Script().ServeHTTP(w, r)
		if w.Code != tc.status {
			t.Errorf("%s %s: status %d, want %d", tc.method, tc.path, w.Code, tc.status)
		}
		if allow := w.Header().Get("Allow"); tc.status == http.StatusMethodNotAllowed && allow != "GET, HEAD" {
			t.Errorf("%s: Allow %q", tc.method, allow)
		}
		if w.Header().Get("Etag") != "" {
			t.Errorf("%s %s: a refusal has the module's ETag", tc.method, tc.path)
		}
	}
}

// Who puts a version into the path decides how long it is kept.
func TestScriptKeepsCacheControl(t *testing.T) {
	const forever = "public, max-age=31536000, immutable"
	w := httptest.NewRecorder()
	w.Header().Set("Cache-Control", forever)
	codes.Script().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/v1/wsverdict.js", nil))
	if got := w.Header().Get("Cache-Control"); got != forever {
		t.Errorf("Cache-Control %q, want %q", got, forever)
	}
}

func request(t *testing.T, method, url string, header http.Header) (*http.Response, []byte) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range header {
		r.Header[name] = values
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, body
}
