package keep

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/handler"
	"github.com/99designs/gqlgen/graphql/handler/transport"
	"github.com/coder/websocket"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/upgrade"
)

var gqlgenLibrary = library{
	name: "gqlgen", subprotocol: "graphql-transport-ws", checks: true, headers: true,
	code: 4403, // what its clients fetch a new token for

	upgrader: func() *upgrade.Upgrader {
		up := &upgrade.Upgrader{
			Subprotocols: []string{"graphql-transport-ws", "bearer"},
			Profile:      codes.GraphQLTransportWS, // its clients act on codes alone
		}
		return up
	},
	handler: func(*testing.T) http.Handler {
		server := gqlgenHandler()
		server.AddTransport(transport.Websocket{Implementation: transport.CoderWebsocketImplementation{
			AcceptOptions: websocket.AcceptOptions{InsecureSkipVerify: true}, // the Origin is the link's to check
		}})
		return server
	},
	strict: func(*testing.T) http.Handler {
		server := gqlgenHandler()
		server.AddTransport(transport.Websocket{})
		return server
	},

	// The handshake of graphql-transport-ws, and a subscription.
	speak: func(t *testing.T, c *client) {
		if got := c.ask(`{"type":"connection_init"}`); got != `{"type":"connection_ack"}` {
			t.Fatalf("%s, want connection_ack", got)
		}
		var next struct {
			ID, Type string
			Payload  struct{ Data struct{ Me string } }
		}
		text := c.ask(`{"id":"1","type":"subscribe","payload":{"query":"subscription { me }"}}`)
		if err := json.Unmarshal([]byte(text), &next); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if next.ID != "1" || next.Type != "next" || next.Payload.Data.Me != user {
			t.Errorf("%s, want the next of subscription 1 with user %q", text, user)
		}
	},
}

// gqlgenHandler has what gqlgen would generate from this schema.
func gqlgenHandler() *handler.Server {
	schema := gqlparser.MustLoadSchema(&ast.Source{Input: `type Query { me: String! } type Subscription { me: String! }`})
	server := handler.New(&graphql.ExecutableSchemaMock{
		SchemaFunc:     func() *ast.Schema { return schema },
		ComplexityFunc: func(context.Context, string, string, int, map[string]any) (int, bool) { return 0, false },
		ExecFunc: func(ctx context.Context) graphql.ResponseHandler {
			name, _ := ctx.Value(userKey{}).(string)
			data, err := json.Marshal(map[string]string{"me": name})
			if err != nil {
				return graphql.OneShot(graphql.ErrorResponse(ctx, "%v", err))
			}
			return graphql.OneShot(&graphql.Response{Data: data})
		},
	})
	return server
}
