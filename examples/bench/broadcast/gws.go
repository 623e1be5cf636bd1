package broadcast

import (
	"net/http"
	"sync"

	"github.com/lxzan/gws"
)

var gwsBroadcaster = library{"gws, Broadcaster", func() server {
	room := &gwsRoom{conns: map[*gws.Conn]bool{}}
	upgrader := gws.NewUpgrader(room, &gws.ServerOption{})
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if conn, err := upgrader.Upgrade(w, r); err == nil {
			go conn.ReadLoop()
		}
	})
	return server{handler: h, send: room.send}
}}

type gwsRoom struct {
	gws.BuiltinEventHandler
	mu    sync.RWMutex
	conns map[*gws.Conn]bool
}

func (g *gwsRoom) OnOpen(c *gws.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.conns[c] = true
}

func (g *gwsRoom) OnClose(c *gws.Conn, _ error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.conns, c)
}

func (g *gwsRoom) OnPing(c *gws.Conn, payload []byte) { c.WritePong(payload) }

func (g *gwsRoom) send(message []byte) error {
	b := gws.NewBroadcaster(gws.OpcodeText, message)
	defer b.Close()
	g.mu.RLock()
	defer g.mu.RUnlock()
	for c := range g.conns {
		b.Broadcast(c)
	}
	return nil
}
