package keep

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"

	"github.com/centrifugal/centrifuge"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/upgrade"
)

var centrifugeLibrary = library{
	name: "centrifuge", subprotocol: "centrifuge-json", checks: true,
	code: 3014, // what its clients fetch a new token for

	upgrader: func() *upgrade.Upgrader {
		up := &upgrade.Upgrader{
			Subprotocols: []string{"centrifuge-json", "centrifuge-protobuf", "bearer"},
			Profile:      codes.Centrifuge,
		}
		return up
	},
	handler: func(t *testing.T) http.Handler {
		config := centrifuge.WebsocketConfig{
			CheckOrigin: func(*http.Request) bool { return true }, // the Origin link has
		}
		return centrifugeHandler(t, config)
	},
	strict: func(t *testing.T) http.Handler { return centrifugeHandler(t, centrifuge.WebsocketConfig{}) },

	// A connect command, and the reply to it.
	speak: func(t *testing.T, c *client) {
		var reply struct {
			ID      int
			Connect struct {
				Client string
				Data   struct{ User string }
			}
		}
		text := c.ask(`{"id":1,"connect":{}}`)
		if err := json.Unmarshal([]byte(text), &reply); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if reply.ID != 1 || reply.Connect.Client == "" || reply.Connect.Data.User != user {
			t.Errorf("%s, want a client of user %q", text, user)
		}
	},
}

func centrifugeHandler(t *testing.T, config centrifuge.WebsocketConfig) http.Handler {
	node, err := centrifuge.New(centrifuge.Config{})
	if err != nil {
		t.Fatal(err)
	}
	node.OnConnecting(func(ctx context.Context, _ centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
		credentials, _ := centrifuge.GetCredentials(ctx)
		data, err := json.Marshal(map[string]string{"user": credentials.UserID})
		return centrifuge.ConnectReply{Data: data}, err
	})
	if err := node.Run(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = node.Shutdown(context.Background()) })
	handler := centrifuge.NewWebsocketHandler(node, config)
	authenticated := func(w http.ResponseWriter, r *http.Request) {
		ctx := centrifuge.SetCredentials(r.Context(), &centrifuge.Credentials{UserID: userOf(r)})
		handler.ServeHTTP(w, r.WithContext(ctx))
	}
	return http.HandlerFunc(authenticated)
}
