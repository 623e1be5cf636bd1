package upgrade

import (
	"unicode/utf8"

	"github.com/gobwas/ws"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/upgrade/internal/frame"
)

// nextFrame goes to the next data frame's payload. Control frames may stand between the frames of a
// message, and are dealt with on the way.
func (c *Conn) nextFrame() error {
	in := &c.in
	for {
		control, err := c.header()
		if err != nil {
			return err
		}
		if in.frame.OpCode.IsControl() {
			if err := c.control(control); err != nil {
				return err
			}
			if in.message == 0 && in.r == in.w {
				return errIdle
			}
			continue
		}
		length := in.frame.Length
		if in.message == 0 {
			in.message, in.typ = in.frame.OpCode, in.frame.OpCode
			in.messages++
			in.room = in.limit
		}
		if length == 0 && !in.frame.Fin {
			in.room-- // fragments without end and without content count as well
		}
		if length > in.room {
			in.left = length
			return c.fault(1009, tooBig, "message over the limit")
		}
		in.room -= length
		in.left, in.pos = length, 0
		if length == 0 && in.frame.Fin {
			return c.endMessage()
		}
		if length > 0 || in.frame.Fin {
			return nil
		}
	}
}

// header reads a frame's header and checks it (RFC 6455 §5.2). A control frame it reads whole, and
// returns its payload, at most 125 bytes: an interrupted read leaves all of it for the next.
func (c *Conn) header() (control []byte, err error) {
	in := &c.in
	for {
		if b := in.buf[in.r:in.w]; len(b) >= 2 && len(b) >= int(frame.HeaderSize(b[1])) {
			n := int(frame.HeaderSize(b[1]))
			if !frame.Parse(&in.frame, b) {
				in.r += uint32(n)
				return nil, c.fault(1002, badProtocol, "frame length has its highest bit set")
			}
			state := ws.StateServerSide
			if in.message != 0 {
				state |= ws.StateFragmented
			}
			if err := ws.CheckHeader(in.frame, state); err != nil {
				in.r += uint32(n)
				in.left = in.frame.Length
				return nil, c.fault(1002, badProtocol, err.Error())
			}
			if in.frame.OpCode.IsControl() {
				control = b[n:]
				n += int(in.frame.Length)
			}
			if len(b) >= n {
				in.r += uint32(n)
				return control[:min(len(control), int(in.frame.Length))], nil
			}
		}
		if err := c.fill(); err != nil {
			return nil, err
		}
	}
}

// control deals with a control frame.
func (c *Conn) control(payload []byte) error {
	ws.Cipher(payload, c.in.frame.Mask, 0)
	switch c.in.frame.OpCode {
	case ws.OpPing:
		c.pong(payload)
	case ws.OpClose:
		return c.closedByClient(payload)
	}
	return nil
}

// closedByClient checks the client's close frame (RFC 6455 §5.5.1, §7.4) and answers it.
func (c *Conn) closedByClient(payload []byte) error {
	e := &CloseError{Code: 1005}
	if len(payload) > 0 {
		code, reason := ws.ParseCloseFrameData(payload)
		var fault error
		switch {
		case len(payload) == 1:
			fault = c.fault(1002, badProtocol, "close frame with half a code")
		case !codes.Sendable(uint16(code)):
			fault = c.fault(1002, badProtocol, "close frame with a code that may not be sent")
		case !utf8.ValidString(reason):
			fault = c.fault(1007, badText, "close reason is not UTF-8")
		}
		if fault != nil {
			c.gotClose()
			return fault
		}
		e.Code, e.Reason = uint16(code), reason
	}
	c.begin(echoed(e.Code), codes.Reason{}, ByClient, e) // unless ours went first: then this is its answer
	c.gotClose()
	return e
}
