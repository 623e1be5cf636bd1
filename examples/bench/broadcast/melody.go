package broadcast

import (
	"net/http"

	"github.com/olahol/melody"
)

var melodies = library{"melody", func() server {
	m := melody.New()
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { m.HandleRequest(w, r) })
	return server{handler: h, send: m.Broadcast}
}}
