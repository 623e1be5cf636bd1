package keep

import (
	"net/http"
	"testing"

	"github.com/lxzan/gws"
)

var gwsLibrary = library{
	name: "gws", upgrader: chatUpgrader, subprotocol: "chat.v1", code: 4401, checks: false, speak: greet,
	handler: gwsHandler, strict: gwsHandler,
}

func gwsHandler(*testing.T) http.Handler {
	events := gwsEcho{}
	upgrader := gws.NewUpgrader(events, &gws.ServerOption{
		SubProtocols: []string{"chat.v1"},
		Authorize: func(r *http.Request, session gws.SessionStorage) bool { // the last to see the request
			session.Store("user", userOf(r)) // what the policies brought: users.Claims(r), say
			return true
		},
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := upgrader.Upgrade(w, r)
		if err != nil {
			return // it has answered
		}
		go c.ReadLoop()
	})
}

type gwsEcho struct{ gws.BuiltinEventHandler }

func (gwsEcho) OnMessage(c *gws.Conn, message *gws.Message) {
	defer message.Close()
	name, _ := c.Session().Load("user")
	_ = c.WriteString(string(message.Bytes()) + " " + name.(string))
}
