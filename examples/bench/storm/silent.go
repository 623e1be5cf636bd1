package storm

import (
	"fmt"
	"time"

	"github.com/gobwas/ws"
)

// queued is what a page has in hand to send when its socket opens: 64 KB.
var queued = ws.MustCompileFrame(ws.MaskFrame(ws.NewBinaryFrame(make([]byte, 64<<10))))

// silent is a client that is refused, sends what it has queued as soon as its socket opens, and never answers the close frame.
// It returns the code that it saw, 0 if the connection was reset before.
func silent(addr, token string, d dialect) (c *client, code int, err error) {
	if c, err = dial(addr, token, d); err != nil {
		return nil, 0, err
	}
	if err = c.head(true); err != nil || c.status != 101 {
		c.conn.Close() // nothing was opened
		return c, c.status, nil
	}
	if d.connects {
		command := fmt.Sprintf(`{"id":1,"connect":{"token":%q}}`, token)
		ws.WriteFrame(c.conn, ws.MaskFrameInPlace(ws.NewTextFrame([]byte(command))))
	}
	c.conn.Write(queued)
	code, _, _ = c.closeFrame()
	return c, code, nil
}

// A silence is a storm of silent clients: as many as a server of this library lets linger, and then thrice as many.
func silence(l library, n int) (figures, error) {
	tokens := issuers["HS256"]().tokens(3*n, expired)
	r, err := storm{alg: "HS256"}.start(l)
	if err != nil {
		return nil, err
	}
	defer r.Kill()
	idle, err := r.Ask("usage")
	if err != nil {
		return nil, err
	}
	warm := newCrowd(r, l.dials, tokens[:min(n, 200)])
	warm.connect(codeExpired)
	if idle, err = settle(r, idle); err != nil {
		return nil, err
	}
	clients := make([]*client, 3*n)
	codes := make([]int, 3*n)
	come := func(from, to int) {
		atOnce(to-from, atATime, func(i int) {
			if c, code, err := silent(r.Addr, tokens[from+i], l.dials); err == nil {
				clients[from+i], codes[from+i] = c, code
			}
		})
	}
	begun := time.Now()
	come(0, n)
	some, err := quietest(r)
	if err != nil {
		return nil, err
	}
	come(n, 3*n)
	flood, err := r.Ask("collect")
	if err != nil {
		return nil, err
	}
	left, err := settle(r, idle)
	if err != nil {
		return nil, err
	}
	gone := time.Since(begun)
	told := 0
	for i, c := range clients {
		if c != nil {
			c.conn.Close()
		}
		if i < n && codes[i] == codeExpired {
			told++
		}
	}
	return figures{
		"B/client":      float64(some.InUse-idle.InUse) / float64(n),
		"KB-flood":      float64(flood.InUse-idle.InUse) / kB,
		"ms-until-gone": milli(gone),
		"KB-left":       float64(left.InUse-idle.InUse) / kB,
		"told-%":        100 * float64(told) / float64(n),
		"held-%":        100 * float64(some.Goroutines-idle.Goroutines) / float64(n),
		"left":          float64(left.Goroutines - idle.Goroutines),
	}, nil
}

// quietest returns the usage at which the server held least, of a few within the time that it lingers: while it still reads what
// was sent, it holds buffers to read with, and what silence takes is the question.
func quietest(r *remote) (least usage, err error) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for i := range 5 {
		<-tick.C
		u, err := r.Ask("collect")
		if err != nil {
			return u, err
		}
		if i == 0 || u.InUse < least.InUse && u.Goroutines >= least.Goroutines {
			least = u
		}
	}
	return least, nil
}
