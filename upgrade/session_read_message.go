package upgrade

import (
	"errors"
	"io"
	"slices"

	"github.com/gobwas/ws"
)

// await waits for the next message. An idle connection spends its life in this function's read,
// pings included: the stack is still shallow here.
func (c *Conn) await() (typ MessageType, err error) {
	for {
		if c.in.r == c.in.w && c.in.message == 0 {
			if err := c.fill(); err != nil {
				return 0, err
			}
		}
		if typ, err = c.next(); err != errIdle {
			return typ, err
		}
	}
}

// errIdle says that there were control frames alone, and nothing is left.
var errIdle = errors.New("upgrade: idle")

// next goes to the beginning of the next data message.
func (c *Conn) next() (MessageType, error) {
	in := &c.in
	if in.message != 0 { // left unread
		if err := c.discard(); err != nil {
			return 0, err
		}
	}
	if err := c.nextFrame(); err != nil {
		return 0, err
	}
	return MessageType(in.typ), nil
}

// discard reads the rest of a message. It waits with little, as all that waits for a client.
func (c *Conn) discard() error {
	var scratch [256]byte
	for c.in.message != 0 {
		if _, err := c.some(scratch[:]); err != nil && err != io.EOF {
			return err
		}
	}
	return nil
}

// rest appends what is left of the message to buf, which grows with what has arrived: it costs a peer
// nothing to announce a length.
func (c *Conn) rest(buf []byte) ([]byte, error) {
	in := &c.in
	for {
		for in.left > 0 {
			if len(buf) == cap(buf) {
				buf = slices.Grow(buf, int(min(in.left, growth(len(buf))))+ws.MaxHeaderSize) // lent again, it holds a frame of this size
			}
			n, err := c.payload(buf[len(buf):cap(buf)])
			buf = buf[:len(buf)+n]
			if err != nil {
				return nil, err
			}
		}
		if in.message == 0 {
			return buf, nil
		}
		if err := c.nextFrame(); err != nil {
			return nil, err
		}
	}
}

func growth(have int) int64 { return int64(max(512, min(3*have, 32<<10))) }

// some reads a part of the message; io.EOF at its end.
func (c *Conn) some(p []byte) (int, error) {
	in := &c.in
	for in.left == 0 {
		if in.message == 0 {
			return 0, io.EOF
		}
		if err := c.nextFrame(); err != nil {
			return 0, err
		}
	}
	return c.payload(p)
}

// payload reads a part of the frame's payload. The message ends with its final frame's last byte.
func (c *Conn) payload(p []byte) (n int, err error) {
	in := &c.in
	p = p[:min(int64(len(p)), in.left)]
	if in.r == in.w && len(p) < direct {
		if err := c.fill(); err != nil {
			return 0, err
		}
	}
	if in.r < in.w {
		n = copy(p, in.buf[in.r:in.w])
		in.r += uint32(n)
	} else { // it may take long: nothing is kept for what comes behind it
		in.r, in.w, in.full = 0, 0, false
		in.free()
		n, err = c.readSome(p)
	}
	ws.Cipher(p[:n], in.frame.Mask, int(in.pos))
	in.pos = uint8(in.pos+uint8(n)) & 3
	in.left -= int64(n)
	if in.message == ws.OpText && !in.text.Write(p[:n]) {
		return n, c.fault(1007, badText, "text is not UTF-8")
	}
	if in.left == 0 && in.frame.Fin {
		err = c.endMessage()
	}
	if n > 0 && err != nil && c.over() == nil {
		err = nil // it comes again
	}
	return n, err
}

func (c *Conn) endMessage() error {
	in := &c.in
	text := in.message == ws.OpText
	in.message = 0
	if text && !in.text.End() {
		return c.fault(1007, badText, "text ends within a character")
	}
	return nil
}
