package keep

import (
	"net/http"
	"testing"

	"github.com/coder/websocket"
)

var coderLibrary = library{
	name: "coder", subprotocol: "chat.v1", code: 4401, checks: true, headers: true, speak: greet,
	handler: func(*testing.T) http.Handler {
		return coderHandler(&websocket.AcceptOptions{
			Subprotocols:       []string{"chat.v1"},
			InsecureSkipVerify: true, // its name for "do not check the Origin": the Origin link has
		})
	},
	strict: func(*testing.T) http.Handler {
		return coderHandler(&websocket.AcceptOptions{Subprotocols: []string{"chat.v1"}})
	},
}

func coderHandler(options *websocket.AcceptOptions) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, options)
		if err != nil {
			return // it has answered
		}
		defer c.CloseNow()
		for {
			typ, message, err := c.Read(r.Context())
			if err != nil {
				return
			}
			if err := c.Write(r.Context(), typ, append(message, " "+userOf(r)...)); err != nil {
				return
			}
		}
	})
}
