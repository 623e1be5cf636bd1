package broadcast

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/gobwas/ws"

	"github.com/wsverdict/wsverdict/examples/bench"
)

const clientPatience = 5 * time.Minute // whatever hangs fails

// A client is one connection, with as little around it as can be.
type client struct {
	conn   net.Conn
	buf    [4 << 10]byte
	unread []byte // in buf
	last   int64  // the number of the last message
	missed bool   // one before it
}

// join connects. A client that is not to read has a small window, as on a network.
func join(addr string, reads bool) (*client, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	if !reads {
		conn.(*net.TCPConn).SetReadBuffer(4 << 10)
	}
	conn.SetDeadline(time.Now().Add(clientPatience))
	c := &client{conn: conn}
	if err = c.upgrade(); err != nil {
		conn.Close()
		return nil, err
	}
	return c, nil
}

func (c *client) upgrade() error {
	if _, err := c.conn.Write([]byte(bench.Handshake + "\r\n")); err != nil {
		return err
	}
	for {
		if err := c.more(); err != nil {
			return err
		}
		if end := bytes.Index(c.unread, []byte("\r\n\r\n")); end >= 0 {
			if !bytes.HasPrefix(c.unread, []byte("HTTP/1.1 101 ")) {
				return fmt.Errorf("broadcast: %.40q", c.unread)
			}
			c.unread = c.unread[end+4:]
			return nil
		}
	}
}

// more reads what is there.
func (c *client) more() error {
	n := copy(c.buf[:], c.unread)
	got, err := c.conn.Read(c.buf[n:])
	c.unread = c.buf[:n+got]
	if got > 0 {
		return nil
	}
	return err
}

// listen reads until the connection ends.
func (c *client) listen(heard func(number, at int64)) {
	for {
		op, payload, ok := c.frame()
		if !ok {
			if c.more() != nil {
				return
			}
			continue
		}
		switch op {
		case ws.OpText:
			number, at, ok := parse(payload)
			c.missed = c.missed || !ok || number != c.last+1
			c.last = number
			heard(number, at)
		case ws.OpPing:
			ws.WriteFrame(c.conn, ws.MaskFrame(ws.NewPongFrame(bytes.Clone(payload))))
		case ws.OpClose:
			ws.WriteFrame(c.conn, ws.MaskFrame(ws.NewCloseFrame(bytes.Clone(payload))))
			io.Copy(io.Discard, c.conn)
			return
		}
	}
}

// frame takes the next frame from what was read.
func (c *client) frame() (op ws.OpCode, payload []byte, ok bool) {
	b := c.unread
	if len(b) < 2 {
		return 0, nil, false
	}
	head, size := 2, int(b[1]&0x7f)
	if size == 126 && len(b) >= 4 {
		head, size = 4, int(binary.BigEndian.Uint16(b[2:]))
	}
	if size == 126 && head == 2 || len(b) < head+size {
		return 0, nil, false
	}
	c.unread = b[head+size:]
	return ws.OpCode(b[0] & 0x0f), b[head:][:size], true
}
