package main

import (
	"bufio"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"time"
)

// sendWrongVersion sends the handshake that no browser sends, one of version 8, to this very server, and tells the page
// what came back. The run is named by "of": the recording is of the probe, not of the page's request for it.
func (p *playground) sendWrongVersion(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
	defer cancel()
	self, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		http.Error(w, "no local address", http.StatusInternalServerError)
		return
	}
	answer, err := p.dialVersion8(ctx, self.String(), r.URL.Query().Get("of"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer) // a page that has gone does not want it
}

type versionAnswer struct {
	Status  string `json:"status"`
	Version string `json:"version"` // that the server speaks
}

func (p *playground) dialVersion8(ctx context.Context, addr, run string) (versionAnswer, error) {
	target := url.URL{Scheme: "http", Host: addr, Path: "/ws/close/rooms/lobby", RawQuery: url.Values{"run": {run}}.Encode()}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return versionAnswer{}, err
	}
	req.Header = http.Header{
		"Connection":             {"Upgrade"},
		"Upgrade":                {"websocket"},
		"Sec-Websocket-Version":  {"8"},
		"Sec-Websocket-Key":      {"dGhlIHNhbXBsZSBub25jZQ=="},
		"Sec-Websocket-Protocol": {"echo.v1, bearer, " + p.tokens.good},
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return versionAnswer{}, err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return versionAnswer{}, err
		}
	}
	if err := req.Write(conn); err != nil {
		return versionAnswer{}, err
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), req)
	if err != nil {
		return versionAnswer{}, err
	}
	defer res.Body.Close()
	return versionAnswer{Status: res.Status, Version: res.Header.Get("Sec-Websocket-Version")}, nil
}
