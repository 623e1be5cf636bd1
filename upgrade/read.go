package upgrade

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"github.com/wsverdict/wsverdict/codes"
)

// A MessageType is what a message is made of (RFC 6455 §5.6).
type MessageType uint8

const (
	// Text is UTF-8. What a client sends is checked; what a session writes is its own affair.
	Text = MessageType(ws.OpText)
	// Binary is anything.
	Binary = MessageType(ws.OpBinary)
)

// An input is what the reading side knows. All of it belongs to whoever holds the lock.
type input struct {
	lock    sync.Mutex
	reading atomic.Bool // somebody waits for the client: its silence means something
	seen    atomic.Uint32

	frame ws.Header // the frame that is being read
	left  int64     // of its payload
	room  int64     // what the message may still have
	limit int64

	buf             []byte // inline, or borrowed while data pours in, or what came behind the handshake
	r, w            uint32
	messages, bytes uint64

	paused  uint32    // tick of the last read's end
	message ws.OpCode // the message that is being read; 0 between messages
	typ     ws.OpCode // of the last message that began
	pos     uint8     // in the frame's mask
	full    bool      // the last read filled buf: there is more
	lent    bool      // buf is the reader's own
	text    textCheck

	// Room for a whole control frame (131 bytes), and for a small message: what an idle connection needs. With it a Conn has 512
	// bytes, which is a size class, and the last one without a header of the allocator's.
	inline [138]byte
}

// borrowed is a size class of the allocator, with room for a message of 16 KB and its header.
const borrowed = 18 << 10

var inputs = sync.Pool{New: func() any { return new([borrowed]byte) }}

// Read reads the next message and appends it to buf[:0], which may be nil: with a buffer that is large enough nothing is
// allocated. All of buf's capacity is used while it reads. It returns a message whole or not at all.
//
// A message over the limit closes the connection with 1009, text that is not UTF-8 with 1007, anything else against the
// protocol with 1002. The error is then a [*ProtocolError]; a [*CloseError] when the client has closed; one that is [ErrClosed], and that
// unwraps to the verdict if there is one, when this side has; and the network's when the connection broke. All of these are for good. If ctx ends first,
// Read returns its error: between two messages nothing is lost, within one the connection is closed with 1011.
func (c *Conn) Read(ctx context.Context, buf []byte) (MessageType, []byte, error) {
	watch, err := c.beginRead(ctx)
	if err != nil {
		return 0, nil, err
	}
	if c.in.lend(buf) {
		err = c.receive()
	}
	var typ MessageType
	if err == nil {
		typ, err = c.await()
	}
	if err == nil {
		buf, err = c.rest(buf[:0])
	}
	c.in.reclaim()
	if err = c.endRead(ctx, watch, err); err != nil {
		return 0, nil, err
	}
	return typ, buf, nil
}

// Reader returns the next message as a stream, which ends with [io.EOF]. What was not read of it is discarded by the next Read or
// Reader. Errors and ctx are as in [Conn.Read]; ctx holds for the stream's reads as well.
func (c *Conn) Reader(ctx context.Context) (MessageType, io.Reader, error) {
	watch, err := c.beginRead(ctx)
	if err != nil {
		return 0, nil, err
	}
	typ, err := c.await()
	if err = c.endRead(ctx, watch, err); err != nil {
		return 0, nil, err
	}
	return typ, &messageReader{c: c, ctx: ctx, message: c.in.messages}, nil
}

type messageReader struct {
	c       *Conn
	ctx     context.Context
	message uint64
}

var errStale = errors.New("upgrade: read from a message that another read has left behind")

func (m *messageReader) Read(p []byte) (n int, err error) {
	c := m.c
	watch, err := c.beginRead(m.ctx)
	if err != nil {
		return 0, err
	}
	if m.message != c.in.messages {
		err = errStale
	} else if len(p) > 0 {
		n, err = c.some(p)
	}
	if err == io.EOF || err == errStale {
		c.endRead(m.ctx, watch, nil)
		return 0, err
	}
	return n, c.endRead(m.ctx, watch, err)
}

// SetReadLimit changes the size in bytes that a message may have, from the next message on ([Upgrader.MaxMessageBytes]). It is called by
// the goroutine that reads. It panics if n is not positive.
func (c *Conn) SetReadLimit(n int64) {
	if n <= 0 {
		panic("upgrade: SetReadLimit: want a positive size")
	}
	c.in.limit = n
}

// CloseRead reads and discards on a goroutine of its own, for a session that only writes: pings are answered, and the session's
// context ends when the client is gone. A data message closes the connection with 1008.
func (c *Conn) CloseRead() {
	go func() {
		if _, _, err := c.Reader((*sessionContext)(c)); err == nil {
			c.begin(1008, unexpectedMessage, ByServer, ErrClosed)
		}
	}()
}

var unexpectedMessage = codes.NewReason("unexpected_message", codes.Stop, 0)

// beginRead makes this goroutine the reader. The session's own context costs nothing: who cancels it has seen to the
// read's deadline.
func (c *Conn) beginRead(ctx context.Context) (*watch, error) {
	c.in.lock.Lock()
	if err := c.over(); err != nil {
		c.in.lock.Unlock()
		return nil, err
	}
	if err := c.ended(ctx); err != nil && c.in.message == 0 {
		c.in.lock.Unlock()
		return nil, err
	}
	c.waits()
	if c.isOwn(ctx) || ctx.Done() == nil {
		return nil, nil
	}
	return newWatch(ctx, c.interruptRead), nil
}

func (c *Conn) endRead(ctx context.Context, w *watch, err error) error {
	interrupted := w.stop()
	if interrupted {
		c.restoreDeadline()
	}
	if err != nil {
		err = c.readError(ctx, interrupted, err)
	}
	c.waited()
	c.in.lock.Unlock()
	return err
}

// readError decides what an error of the connection means.
func (c *Conn) readError(ctx context.Context, interrupted bool, err error) error {
	if over := c.over(); over != nil {
		return over
	}
	var timeout net.Error
	if interrupted && errors.As(err, &timeout) && timeout.Timeout() {
		if c.in.message != 0 {
			c.begin(1011, readInterrupted, ByServer, ctx.Err())
		}
		return ctx.Err()
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF // no close frame came
	}
	c.lose(err)
	return err
}

var readInterrupted = codes.NewReason("read_interrupted", codes.Reconnect, 0)

func (c *Conn) interruptRead() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conn.SetReadDeadline(time.Unix(1, 0))
}

func (c *Conn) restoreDeadline() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conn.SetReadDeadline(c.end.deadline())
}

// A watch calls a function if a context ends. A nil one watches nothing.
type watch struct {
	cancel func() bool
	done   chan struct{}
}

func newWatch(ctx context.Context, f func()) *watch {
	w := &watch{done: make(chan struct{})}
	w.cancel = context.AfterFunc(ctx, func() {
		defer close(w.done)
		f()
	})
	return w
}

// stop ends the watch and reports whether the function was called. It has returned by then.
func (w *watch) stop() bool {
	if w == nil || w.cancel() {
		return false
	}
	<-w.done
	return true
}

// await waits for the next message. An idle connection spends its life in this function's read, pings included: the stack is
// still shallow here.
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
	for in.message != 0 { // left unread
		scratch := inputs.Get().(*[borrowed]byte)
		_, err := c.some(scratch[:])
		inputs.Put(scratch)
		if err != nil && err != io.EOF {
			return 0, err
		}
	}
	if err := c.nextFrame(); err != nil {
		return 0, err
	}
	return MessageType(in.typ), nil
}

// rest appends what is left of the message to buf. The announced length is believed in steps: it costs a peer nothing to announce.
func (c *Conn) rest(buf []byte) ([]byte, error) {
	in := &c.in
	for {
		for in.left > 0 {
			if len(buf) == cap(buf) {
				buf = slices.Grow(buf, int(min(in.left, 32<<10))+ws.MaxHeaderSize) // lent again, it holds a frame of this size
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
		n, err = c.conn.Read(p)
		c.saw(n)
		if n == 0 && err == nil {
			err = io.ErrNoProgress
		}
	}
	ws.Cipher(p[:n], in.frame.Mask, int(in.pos))
	in.pos = uint8(in.pos+uint8(n)) & 3
	in.left -= int64(n)
	if in.message == ws.OpText && !in.text.write(p[:n]) {
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
	if text && !in.text.end() {
		return c.fault(1007, badText, "text ends within a character")
	}
	return nil
}

// nextFrame goes to the next data frame's payload. Control frames may stand between the frames of a message, and are dealt with
// on the way.
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

// header reads a frame's header and checks it (RFC 6455 §5.2). A control frame it reads whole, and returns its payload, at
// most 125 bytes: an interrupted read leaves all of it for the next.
func (c *Conn) header() (control []byte, err error) {
	in := &c.in
	for {
		if b := in.buf[in.r:in.w]; len(b) >= 2 && len(b) >= int(headerSize(b[1])) {
			n := int(headerSize(b[1]))
			if !parseHeader(&in.frame, b) {
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

// parseHeader decodes a whole header.
func parseHeader(h *ws.Header, b []byte) bool {
	h.Fin, h.Rsv, h.OpCode = b[0]&0x80 != 0, b[0]>>4&7, ws.OpCode(b[0]&0x0f)
	h.Masked = b[1]&0x80 != 0
	length, b := uint64(b[1]&0x7f), b[2:]
	switch length {
	case 126:
		length, b = uint64(binary.BigEndian.Uint16(b)), b[2:]
	case 127:
		length, b = binary.BigEndian.Uint64(b), b[8:]
	}
	h.Length = int64(length)
	if h.Masked {
		h.Mask = [4]byte(b)
	}
	return h.Length >= 0
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

// A ProtocolError is a fault in what the client sent. The connection was closed with Code.
type ProtocolError struct {
	Code  uint16 // 1002, 1007 or 1009
	Fault string
}

// Error describes the fault.
func (e *ProtocolError) Error() string { return "upgrade: the client: " + e.Fault }

var (
	badProtocol = codes.NewReason("protocol_error", codes.Stop, 0)
	badText     = codes.NewReason("invalid_utf8", codes.Stop, 0)
	tooBig      = codes.NewReason("message_too_big", codes.Stop, 0)
)

// fault closes the connection for what the client sent. Nothing behind it is understood any more.
func (c *Conn) fault(code uint16, reason codes.Reason, what string) error {
	e := &ProtocolError{Code: code, Fault: what}
	c.begin(code, reason, ByServer, e)
	return e
}

// direct is from which size on a read goes past the buffer.
const direct = 4 << 10

// fill reads once more from the connection. An idle connection waits in its inline buffer, or in one that its reader has lent; while
// data pours in, a larger one is borrowed.
func (c *Conn) fill() error {
	in := &c.in
	if in.r == in.w {
		in.choose()
	} else if int(in.w) == len(in.buf) {
		in.compact()
	}
	return c.receive()
}

func (c *Conn) receive() error {
	in := &c.in
	n, err := c.conn.Read(in.buf[in.w:])
	in.w += uint32(n)
	in.full = int(in.w) == len(in.buf)
	c.saw(n)
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// choose picks the buffer for what comes next, when nothing is left in the present one.
func (in *input) choose() {
	in.r, in.w = 0, 0
	if in.full && len(in.buf) == borrowed && !in.lent {
		return
	}
	in.free()
	in.buf = in.inline[:]
	if in.full {
		in.buf = inputs.Get().(*[borrowed]byte)[:]
	}
}

// compact makes room behind the bytes that are there: fewer than a control frame's, or a header's. There are more, for they
// fill a buffer.
func (in *input) compact() {
	rest, to := in.buffered(), in.buf
	if len(to) != borrowed || in.lent {
		to = inputs.Get().(*[borrowed]byte)[:]
	}
	in.r, in.w = 0, uint32(copy(to, rest))
	in.buf, in.lent = to, false
}

// lend has the next bytes read into the room that the reader has for the message, if that makes fewer reads: the message then moves
// down over its header. It needs no more than what is there: what is written of the message stays behind what is read.
func (in *input) lend(buf []byte) bool {
	room := min(cap(buf), borrowed)
	if in.r != in.w || in.message != 0 || room <= len(in.inline) || in.full && room < borrowed {
		return false
	}
	in.r, in.w = 0, 0
	in.free()
	in.buf, in.lent = buf[:room], true
	return true
}

// reclaim moves what is left behind the message out of the reader's buffer.
func (in *input) reclaim() {
	if !in.lent {
		return
	}
	rest := in.buffered()
	in.buf, in.lent = in.inline[:], false
	if len(rest) > len(in.inline) {
		in.buf = inputs.Get().(*[borrowed]byte)[:]
	}
	in.r, in.w = 0, uint32(copy(in.buf, rest))
}

func (in *input) free() {
	if len(in.buf) == borrowed && !in.lent {
		inputs.Put((*[borrowed]byte)(in.buf))
	}
	in.buf, in.lent = nil, false
}

func (in *input) buffered() []byte { return in.buf[in.r:in.w] }

// rest is a scanner that goes on where in stands. A fault does not stop it: the client's close frame is still to come. Behind a
// length that is none, everything is payload.
func (in *input) rest() scanner {
	if in.frame.Length < 0 {
		return scanner{inside: true, left: 1<<64 - 1}
	}
	return scanner{inside: in.left > 0, left: uint64(in.left)}
}

// waits and waited note that somebody reads, for the wheel. After a pause the client's silence counts from now: what it said
// meanwhile is still to be read. Reads that follow each other, as those of a session that polls, are one wait.
func (c *Conn) waits() {
	if now := c.config.live.now.Load(); now > c.in.paused+1 {
		c.in.seen.Store(now)
	}
	c.in.reading.Store(true)
}

func (c *Conn) waited() {
	c.in.reading.Store(false)
	c.in.paused = c.config.live.now.Load()
}

// saw notes a sign of life.
func (c *Conn) saw(n int) {
	if n > 0 {
		c.in.bytes += uint64(n)
		c.in.seen.Store(c.config.live.now.Load())
	}
}
