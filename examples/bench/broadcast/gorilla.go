package broadcast

import (
	"net/http"
	"time"

	"github.com/gorilla/websocket"
)

// hub is how most people broadcast with gorilla/websocket: after its example of a chat, with a PreparedMessage.
var hub = library{"gorilla/websocket, PreparedMessage", func() server {
	h := &gorillaHub{join: make(chan *gorillaClient), leave: make(chan *gorillaClient), messages: make(chan *websocket.PreparedMessage)}
	go h.run()
	return server{handler: h, send: func(message []byte) error {
		p, err := websocket.NewPreparedMessage(websocket.TextMessage, message)
		if err == nil {
			h.messages <- p
		}
		return err
	}}
}}

// What the example has.
const (
	hubQueue     = 256
	hubWriteWait = 10 * time.Second
	hubPongWait  = time.Minute
	hubPings     = hubPongWait * 9 / 10
)

type gorillaHub struct {
	upgrader    websocket.Upgrader
	join, leave chan *gorillaClient
	messages    chan *websocket.PreparedMessage
}

type gorillaClient struct {
	conn  *websocket.Conn
	queue chan *websocket.PreparedMessage // the hub's to close
}

// run has who is there, and never waits for a client: whoever's queue is full is closed.
func (h *gorillaHub) run() {
	clients := map[*gorillaClient]bool{}
	end := func(c *gorillaClient) {
		if clients[c] {
			delete(clients, c)
			close(c.queue)
		}
	}
	for {
		select {
		case c := <-h.join:
			clients[c] = true
		case c := <-h.leave:
			end(c)
		case m := <-h.messages:
			for c := range clients {
				select {
				case c.queue <- m:
				default:
					end(c)
				}
			}
		}
	}
}

func (h *gorillaHub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	conn, err := h.upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	c := &gorillaClient{conn, make(chan *websocket.PreparedMessage, hubQueue)}
	h.join <- c
	go c.write()
	go c.read(h)
}

func (c *gorillaClient) read(h *gorillaHub) {
	defer func() {
		h.leave <- c
		c.conn.Close()
	}()
	alive := func(string) error { return c.conn.SetReadDeadline(time.Now().Add(hubPongWait)) }
	alive("")
	c.conn.SetPongHandler(alive)
	for {
		if _, _, err := c.conn.ReadMessage(); err != nil {
			return
		}
	}
}

func (c *gorillaClient) write() {
	pings := time.NewTicker(hubPings)
	defer pings.Stop()
	defer c.conn.Close()
	for {
		var err error
		select {
		case m, open := <-c.queue:
			c.conn.SetWriteDeadline(time.Now().Add(hubWriteWait))
			if !open {
				c.conn.WriteMessage(websocket.CloseMessage, nil)
				return
			}
			err = c.conn.WritePreparedMessage(m)
		case <-pings.C:
			c.conn.SetWriteDeadline(time.Now().Add(hubWriteWait))
			err = c.conn.WriteMessage(websocket.PingMessage, nil)
		}
		if err != nil {
			return
		}
	}
}
