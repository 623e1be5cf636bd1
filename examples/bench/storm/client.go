package storm

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"

	"github.com/gobwas/ws"

	"github.com/wsverdict/wsverdict/examples/bench"
)

const clientPatience = time.Minute // whatever hangs fails

// admitted as a code: the connection stands.
const admitted = 0

// A client is one connection, with as little around it as can be: what it costs the machine is missing on the server.
type client struct {
	conn   net.Conn
	status int
	buf    [2048]byte
	unread []byte // in buf
}

// dial connects and sends a handshake.
func dial(addr, token string, d dialect) (*client, error) {
	c, err := dialOnly(addr)
	if err != nil {
		return nil, err
	}
	if _, err := c.conn.Write(handshakeOf(token, d)); err != nil {
		c.conn.Close()
		return nil, err
	}
	return c, nil
}

func dialOnly(addr string) (*client, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	conn.SetDeadline(time.Now().Add(clientPatience))
	return &client{conn: conn}, nil
}

func handshakeOf(token string, d dialect) []byte {
	request := append(make([]byte, 0, 2048), bench.Handshake...)
	if !d.connects {
		request = append(append(append(request, "Authorization: Bearer "...), token...), "\r\n"...)
	}
	return append(request, "\r\n"...)
}

// connected dials and reads on until it is told what became of it: the code of a close frame, the HTTP status, or admitted. want
// says whether there is a close frame to wait for.
func connected(addr, token string, d dialect, want int) (c *client, got int, err error) {
	if c, err = dial(addr, token, d); err != nil {
		return nil, 0, err
	}
	if err = c.head(false); err == nil {
		got, err = c.outcome(token, d, want)
	}
	if err != nil {
		c.conn.Close()
		return nil, 0, err
	}
	return c, got, nil
}

func (c *client) outcome(token string, d dialect, want int) (int, error) {
	switch {
	case c.status != 101:
		return c.status, nil
	case d.connects:
		command := fmt.Sprintf(`{"id":1,"connect":{"token":%q}}`, token)
		if err := ws.WriteFrame(c.conn, ws.MaskFrameInPlace(ws.NewTextFrame([]byte(command)))); err != nil {
			return 0, err
		}
	case want == admitted:
		return admitted, nil
	}
	code, _, err := c.closeFrame()
	return code, err
}

var headEnd = []byte("\r\n\r\n")

// shortestHead is how long the header of a 101 is at least: nothing of a frame is read with so much.
const shortestHead = 129

// head reads the answer's header. One that is careful leaves in the kernel what comes behind it.
func (c *client) head(careful bool) error {
	for have := 0; have < len(c.buf); {
		room := c.buf[have:]
		switch {
		case careful && have < shortestHead:
			room = c.buf[have:shortestHead]
		case careful:
			room = room[:1]
		}
		n, err := c.conn.Read(room)
		have += n
		if i := bytes.Index(c.buf[:have], headEnd); i >= 12 {
			c.unread = c.buf[i+len(headEnd) : have]
			c.status, err = strconv.Atoi(string(c.buf[9:12]))
			return err
		}
		if err != nil {
			return err
		}
	}
	return errors.New("storm: a header without an end")
}

// closeFrame reads frames until a close frame, and returns its code and reason; or until a message, which says admitted.
func (c *client) closeFrame() (code int, reason string, err error) {
	for {
		head, payload, err := c.frame()
		if err != nil {
			return 0, "", err
		}
		switch ws.OpCode(head & 0x0f) {
		case ws.OpClose:
			if len(payload) < 2 {
				return 1005, "", nil
			}
			return int(binary.BigEndian.Uint16(payload)), string(payload[2:]), nil
		case ws.OpText, ws.OpBinary:
			return admitted, "", nil
		}
	}
}

// frame reads one, and returns its first byte and what is in it.
func (c *client) frame() (first byte, payload []byte, err error) {
	var head [2]byte
	if err := c.full(head[:]); err != nil {
		return 0, nil, err
	}
	size := int64(head[1] & 0x7f)
	if size == 126 {
		var long [2]byte
		if err := c.full(long[:]); err != nil {
			return 0, nil, err
		}
		size = int64(binary.BigEndian.Uint16(long[:]))
	}
	payload = make([]byte, size)
	return head[0], payload, c.full(payload)
}

func (c *client) full(b []byte) error {
	n := copy(b, c.unread)
	c.unread = c.unread[n:]
	_, err := io.ReadFull(c.conn, b[n:])
	return err
}

var clientClose = ws.MustCompileFrame(ws.MaskFrame(ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusNormalClosure, ""))))

// leave answers a close frame, or sends one, and waits for the end of the connection, as browsers do.
func (c *client) leave() {
	c.conn.SetDeadline(time.Now().Add(closeWait))
	c.conn.Write(clientClose)
	io.Copy(io.Discard, c.conn)
	c.conn.Close()
}

// alive reports whether nothing has come: neither a close frame nor an end.
func (c *client) alive() bool {
	if len(c.unread) > 0 {
		return false
	}
	c.conn.SetReadDeadline(time.Now().Add(time.Millisecond))
	defer c.conn.SetDeadline(time.Now().Add(clientPatience))
	_, err := c.conn.Read(c.buf[:1])
	timeout, ok := err.(net.Error)
	return ok && timeout.Timeout()
}
