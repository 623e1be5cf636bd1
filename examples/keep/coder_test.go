package keep

import (
	"net/http"
	"testing"

	"github.com/coder/websocket"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
)

var coderLibrary = library{
	name: "coder", upgrader: chatUpgrader, subprotocol: "chat.v1", code: 4401, checks: true, headers: true, speak: greet,
	handler: func(*testing.T) http.Handler {
		options := &websocket.AcceptOptions{
			Subprotocols:       []string{"chat.v1"},
			InsecureSkipVerify: true, // its name for "do not check the Origin": the Origin link has
		}
		return coderHandler(options)
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

// TestCloseByHand: a live connection of another library can be closed with what a verdict says.
func TestCloseByHand(t *testing.T) {
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
		if err != nil {
			return
		}
		v := policy.Close(codes.Forbidden, "banned")
		c.Close(websocket.StatusCode(v.Code()), v.Reason().String()) // coder: 4403 banned;do=stop
	}))
	s.mustDial(t, pageOrigin).closes(4403, "banned;do=stop")
}
