package fleet

import (
	"bufio"
	"context"
	"io"
	"net"
	"time"

	"github.com/gobwas/ws"

	"github.com/wsverdict/wsverdict/upgrade/upgradetest"
)

// A client is one connection.
type client struct {
	net.Conn
	in io.Reader
}

// connect dials and waits for the 101.
func connect(addr, user string) (*client, error) {
	conn, buffered, _, err := ws.Dialer{Timeout: patience}.Dial(context.Background(), "ws://"+addr+"/ws/"+user)
	if err != nil {
		return nil, err
	}
	conn.SetDeadline(time.Now().Add(5 * time.Minute)) // of all that is measured
	c := &client{conn, conn}
	if buffered != nil {
		c.in = buffered
	} else {
		c.in = bufio.NewReaderSize(conn, 256)
	}
	return c, nil
}

var normal = ws.MustCompileFrame(ws.MaskFrame(ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusNormalClosure, ""))))

// leave sends a close frame, waits for the server's and for the end, and returns the server's code: 1000 if it is an answer, and
// the refusal's if the client was refused.
func (c *client) leave() (ws.StatusCode, error) {
	defer c.Close()
	c.Write(normal)
	code, err := c.closeFrame()
	if err == nil {
		io.Copy(io.Discard, c.in)
	}
	return code, err
}

// closeFrame waits for the server's close frame.
func (c *client) closeFrame() (ws.StatusCode, error) {
	for {
		f, err := upgradetest.ReadFrame(c.in)
		if err != nil {
			return 0, err
		}
		switch f.Header.OpCode {
		case ws.OpClose:
			code, _ := ws.ParseCloseFrameData(f.Payload)
			return code, nil
		case ws.OpPing:
			if err := ws.WriteFrame(c, ws.MaskFrame(ws.NewPongFrame(f.Payload))); err != nil {
				return 0, err
			}
		}
	}
}
