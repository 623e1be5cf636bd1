package codes

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed client/dist/*.js
var dist embed.FS

// Script returns a handler that serves the page's client as ES modules: wsverdict.js (connect and
// outcome), and beside it profiles.js, tabs.js, explain.js and renewal.js, which a page loads if it
// needs them. The last element of the request's path names the module, so that one mount serves one
// of them or all:
//
//	mux.Handle("GET /wsverdict.js", codes.Script())
//	mux.Handle("GET /wsverdict/", codes.Script()) // /wsverdict/wsverdict.js, /wsverdict/tabs.js, …
//
// A page imports it by a module script, which a Content-Security-Policy of script-src 'self' allows:
//
//	import { connect } from "/wsverdict.js";
//
// GET and HEAD are answered, with conditions and ranges (RFC 9110 §13 and §14); other methods get
// 405, other names 404. The ETag is the content's. Browsers keep the module and ask each time
// whether it has changed (Cache-Control: no-cache), since its path does not change with it. A
// Cache-Control that is set already stays: a path with a version in it may be kept for ever.
//
// The handler is safe for concurrent use.
func Script() http.Handler {
	entries, err := dist.ReadDir("client/dist")
	if err != nil {
		panic(err) // the program was built without it, which go:embed does not do
	}
	modules := make(map[string]module, len(entries))
	for _, e := range entries {
		content, err := dist.ReadFile("client/dist/" + e.Name())
		if err != nil {
			panic(err)
		}
		sum := sha256.Sum256(content)
		modules[e.Name()] = module{content, `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`}
	}
	return script(modules)
}

// A script is what Script returns: the modules by name.
type script map[string]module

type module struct {
	content []byte
	etag    string
}

func (s script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	m, ok := s[path.Base(r.URL.Path)]
	switch {
	case !ok || strings.HasSuffix(r.URL.Path, "/"):
		http.NotFound(w, r)
		return
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		h.Set("Allow", "GET, HEAD")
		http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
		return
	}
	h.Set("Content-Type", "text/javascript; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Etag", m.etag)
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "no-cache")
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(m.content))
}
