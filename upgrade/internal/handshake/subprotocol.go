package handshake

import "net/http"

// Choose returns the first of the client's subprotocols that is among ours, "" if it offered none. A
// client that offered some and gets none fails the connection (Chromium does), and whatever close code
// was sent is lost: that is a fault.
func Choose(r *http.Request, ours []string) (chosen string, fault Fault) {
	lines := r.Header["Sec-Websocket-Protocol"]
	if len(lines) == 0 {
		return "", None
	}
	offered := false
	for token, ok := range Tokens(lines) {
		if !ok {
			return "", Subprotocols
		}
		offered = true
		if chosen != "" {
			continue // but read on: the list must be well-formed
		}
		for _, our := range ours {
			if token == our {
				chosen = our // not a piece of the request
				break
			}
		}
	}
	switch {
	case !offered:
		return "", Subprotocols
	case chosen == "":
		return "", NoSubprotocol
	}
	return chosen, None
}
