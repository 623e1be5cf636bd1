package main

import (
	"bytes"
	"embed"
	"encoding/json"
	"html/template"
	"net/http"

	"github.com/go-chi/chi/v5"
)

//go:embed page
var page embed.FS

var index = template.Must(template.New("index.html").Funcs(template.FuncMap{"json": asJSON}).ParseFS(page, "page/index.html"))

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
	for _, name := range []string{"style.css", "app.js", "attempt.js", "show.js", "foreign.html", "foreign.js", "icon.svg"} {
		r.Get("/"+name, func(w http.ResponseWriter, r *http.Request) {
			http.ServeFileFS(w, r, page, "page/"+name)
		})
	}
}
