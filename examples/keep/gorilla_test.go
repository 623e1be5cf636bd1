package keep

import (
	"net/http"
	"testing"

	"github.com/gorilla/websocket"
)

var gorillaLibrary = library{
	name: "gorilla", upgrader: chatUpgrader, subprotocol: "chat.v1", code: 4401, checks: true, speak: greet,
	handler: func(*testing.T) http.Handler {
		upgrader := websocket.Upgrader{
			Subprotocols: []string{"chat.v1"},
			CheckOrigin:  func(*http.Request) bool { return true }, // the Origin link has
		}
		return gorillaHandler(&upgrader)
	},
	strict: func(*testing.T) http.Handler {
		return gorillaHandler(&websocket.Upgrader{Subprotocols: []string{"chat.v1"}})
	},
}

func gorillaHandler(upgrader *websocket.Upgrader) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return // it has answered
		}
		defer c.Close()
		for {
			typ, message, err := c.ReadMessage()
			if err != nil {
				return
			}
			if err := c.WriteMessage(typ, append(message, " "+userOf(r)...)); err != nil {
				return
			}
		}
	})
}
