package storm

import (
	"context"
	"net/http"

	"github.com/centrifugal/centrifuge"
	"github.com/golang-jwt/jwt/v5"
)

type addressKey struct{}

// centrifugal is a centrifuge node whose OnConnecting decides, with the token of the client's connect command.
func centrifugal(c checks) (server, error) {
	node, err := centrifuge.New(centrifuge.Config{})
	if err != nil {
		return server{}, err
	}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{c.alg}), jwt.WithExpirationRequired())
	limited := limitByHand(c.requests)
	node.OnConnecting(func(ctx context.Context, e centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
		if c.maintenance {
			return centrifuge.ConnectReply{}, centrifuge.Disconnect{Code: codeMaintenance, Reason: reasonMaintenance}
		}
		if key, _ := ctx.Value(addressKey{}).(string); limited(key) {
			return centrifuge.ConnectReply{}, centrifuge.Disconnect{Code: codeLimited, Reason: reasonLimited}
		}
		var claims jwt.RegisteredClaims
		if _, err := parser.ParseWithClaims(e.Token, &claims, func(*jwt.Token) (any, error) { return c.key, nil }); err != nil {
			return centrifuge.ConnectReply{}, centrifuge.Disconnect{Code: codeExpired, Reason: reasonExpired}
		}
		return centrifuge.ConnectReply{Credentials: &centrifuge.Credentials{UserID: claims.Subject}}, nil
	})
	if err := node.Run(); err != nil {
		return server{}, err
	}
	h := centrifuge.NewWebsocketHandler(node, centrifuge.WebsocketConfig{}) // same-origin by default
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ws/rooms/{room}", func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), addressKey{}, address(r))))
	})
	return server{mux, func(ctx context.Context) { node.Shutdown(ctx) }}, nil
}
