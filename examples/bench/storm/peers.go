package storm

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"
	"github.com/lxzan/gws"
)

type gorillaEnd struct{ up gorilla.Upgrader } // same-origin by default

func (e *gorillaEnd) refuse(w http.ResponseWriter, r *http.Request, code uint16, reason string) {
	conn, err := e.up.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	deadline := time.Now().Add(closeWait)
	conn.WriteControl(gorilla.CloseMessage, gorilla.FormatCloseMessage(int(code), reason), deadline)
	conn.SetReadDeadline(deadline)
	for err == nil { // until the client's close frame
		_, _, err = conn.NextReader()
	}
}

func (e *gorillaEnd) admit(w http.ResponseWriter, r *http.Request) {
	conn, err := e.up.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	for err == nil {
		_, _, err = conn.ReadMessage()
	}
}

type coderEnd struct{} // same-origin by default

func (coderEnd) refuse(w http.ResponseWriter, r *http.Request, code uint16, reason string) {
	if conn, err := websocket.Accept(w, r, nil); err == nil {
		conn.Close(websocket.StatusCode(code), reason) // waits for the client's close frame, at most 5 seconds
	}
}

func (coderEnd) admit(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer conn.CloseNow()
	for err == nil {
		_, _, err = conn.Read(r.Context())
	}
}

type gwsEnd struct{ up *gws.Upgrader }

func newGwsEnd() gwsEnd {
	return gwsEnd{gws.NewUpgrader(gws.BuiltinEventHandler{}, &gws.ServerOption{
		Authorize: func(r *http.Request, _ gws.SessionStorage) bool { return sameOrigin(r) },
	})}
}

func (e gwsEnd) refuse(w http.ResponseWriter, r *http.Request, code uint16, reason string) {
	if conn, err := e.up.Upgrade(w, r); err == nil {
		conn.WriteClose(code, []byte(reason)) // and closes
	}
}

func (e gwsEnd) admit(w http.ResponseWriter, r *http.Request) {
	if conn, err := e.up.Upgrade(w, r); err == nil {
		go conn.ReadLoop()
	}
}

// sameOrigin is the comparison that gorilla and coder make, for those who leave it to their users.
func sameOrigin(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && strings.EqualFold(u.Host, r.Host)
}
