package handshake

import (
	"net/http"
	"strings"
)

// The subprotocols of docs/protocol.md (WV5), which no application has. Elements with their prefix take
// no part in the choice of the application's.
const (
	Prefix  = "wsverdict."
	Refused = Prefix + "refused" // chosen for a refusal, so that it is visible at open
	V1      = Prefix + "v1"      // chosen on admission, for a client that has no other
)

// A Choice is what came of the subprotocols that a client offered.
type Choice struct {
	Subprotocol string // "" if it offered none
	Refused     bool   // it offered Refused: that is what a refusal is answered with
}

// Choose takes the first of the client's subprotocols that is among ours. A client that offered
// some and gets none fails the connection (Chromium does), and whatever close code was sent is
// lost: that is a fault, of which a client that offered Refused can be told all the same.
func Choose(r *http.Request, ours []string) (c Choice, fault Fault) {
	lines := r.Header["Sec-Websocket-Protocol"]
	if len(lines) == 0 {
		return Choice{}, None
	}
	offered, others, v1 := false, false, false
	for token, ok := range Tokens(lines) {
		if !ok {
			return Choice{}, Subprotocols
		}
		offered = true
		if strings.HasPrefix(token, Prefix) {
			c.Refused = c.Refused || token == Refused
			v1 = v1 || token == V1
			continue
		}
		others = true
		if c.Subprotocol != "" {
			continue // but read on: the list must be well-formed
		}
		for _, our := range ours {
			if token == our {
				c.Subprotocol = our // not a piece of the request
				break
			}
		}
	}
	switch {
	case !offered:
		return Choice{}, Subprotocols
	case c.Subprotocol != "":
		return c, None
	case v1 && !others:
		c.Subprotocol = V1
		return c, None
	}
	return c, NoSubprotocol
}
