package keep

import (
	"net/http"
	"testing"

	"github.com/olahol/melody"
)

var melodyLibrary = library{
	name: "melody", upgrader: chatUpgrader, subprotocol: "chat.v1", code: 4401, checks: false, headers: true, speak: greet,
	handler: melodyHandler, strict: melodyHandler,
}

func melodyHandler(t *testing.T) http.Handler {
	m := melody.New()
	m.Upgrader.Subprotocols = []string{"chat.v1"}
	m.HandleMessage(func(s *melody.Session, message []byte) {
		_ = s.Write(append(message, " "+userOf(s.Request)...))
	})
	t.Cleanup(func() { _ = m.Close() })
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _ = m.HandleRequest(w, r) })
	return handler
}
