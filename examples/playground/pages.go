package main

import (
	"bytes"
	"embed"
	"encoding/json"
	"html/template"
	"net/http"

	"github.com/go-chi/chi/v5"

	"github.com/wsverdict/wsverdict/codes"
)

//go:embed page
var page embed.FS

var index = template.Must(template.New("index.html").Funcs(template.FuncMap{"json": asJSON, "states": clientStates}).ParseFS(page, "page/index.html"))

// clientStates are those of the page's client, in the order of a life.
func clientStates() []string {
	return []string{"connecting", "open", "refreshing", "waiting", "offline", "closed"}
}

func asJSON(v any) (string, error) {
	b, err := json.Marshal(v)
	return string(b), err
}

// pages mounts the page, all of whose parts are compiled in.
func (p *playground) pages(r chi.Router) {
	var html bytes.Buffer // the cases never change
	if err := index.Execute(&html, p.tokens.groups()); err != nil {
		panic(err)
	}
	r.Get("/", func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Cache-Control", "no-store") // the tokens in it are good until the server ends
		// Nothing from elsewhere; the frame is this server under its other name.
		h.Set("Content-Security-Policy", "default-src 'self'; connect-src 'self' ws: wss:; frame-src http://localhost:* http://127.0.0.1:*")
		_, _ = w.Write(html.Bytes())
	})
	r.Get("/wsverdict.js", codes.Script().ServeHTTP)
	r.Get("/favicon.ico", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "image/svg+xml")
		http.ServeFileFS(w, r, page, "page/icon.svg")
	})
	for _, name := range []string{"style.css", "app.js", "attempt.js", "show.js", "foreign.html", "foreign.js", "client.js", "icon.svg"} {
		r.Get("/"+name, func(w http.ResponseWriter, r *http.Request) {
			http.ServeFileFS(w, r, page, "page/"+name)
		})
	}
}
