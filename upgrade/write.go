package upgrade

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"
)

// An output is the writing side. The lock is held while a frame is being written, over several calls if a session writes raw
// bytes. Control frames never wait for it: what cannot go at once is left pending, and whoever holds the lock sends it.
type output struct {
	lock    sync.Mutex
	pending atomic.Uint32
	open    bool          // a streamed message is being written; guarded by Conn.mu, as what follows
	stream  chan struct{} // closed at that message's end; nil if nobody waits
	pong    *[]byte       // the answer to the last ping

	armed           instant // when the write deadline was last set; 0 for never
	messages, bytes atomic.Uint64
}

const (
	pendingPing = 1 << iota
	pendingPong
	pendingClose
)

// writeBuffers hold a frame whole, if it is small: header and payload in one write.
var writeBuffers = sync.Pool{New: func() any { return new(writeBuffer) }}

type writeBuffer struct {
	b      [4 << 10]byte
	chunks [2][]byte
	v      net.Buffers
}

// Write writes a message. It returns when the kernel has it; a client that does not read holds it up for
// [Upgrader.WriteTimeout] at most, and is then cut off. If ctx ends while the message is being written, the
// connection is cut off as well: half a message cannot be taken back. Errors are as in [Conn.Read].
func (c *Conn) Write(ctx context.Context, typ MessageType, p []byte) error {
	if typ != Text && typ != Binary {
		return errMessageType
	}
	if err := c.beginMessage(ctx, false); err != nil {
		return err
	}
	defer c.release()
	return c.writeData(ctx, ws.OpCode(typ), true, p)
}

// Writer begins a message that is written in parts, each a frame. Close ends it; other messages wait until then. ctx is as in
// [Conn.Write] and holds for all of it. A writer that is not closed blocks all others.
func (c *Conn) Writer(ctx context.Context, typ MessageType) (io.WriteCloser, error) {
	if typ != Text && typ != Binary {
		return nil, errMessageType
	}
	if err := c.beginMessage(ctx, true); err != nil {
		return nil, err
	}
	c.release()
	return &messageWriter{c: c, ctx: ctx, op: ws.OpCode(typ)}, nil
}

type messageWriter struct {
	c    *Conn
	ctx  context.Context
	op   ws.OpCode // continuation after the first frame
	done bool
}

var errMessageType = errors.New("upgrade: a message is Text or Binary")

var errWriterClosed = errors.New("upgrade: write to a message that is closed")

func (m *messageWriter) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if err := m.frame(false, p); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (m *messageWriter) Close() error {
	err := m.frame(true, nil)
	if !m.done {
		m.done = true
		m.c.endStream()
	}
	return err
}

func (m *messageWriter) frame(fin bool, p []byte) error {
	if m.done {
		return errWriterClosed
	}
	c := m.c
	c.out.lock.Lock()
	defer c.release()
	if err := c.over(); err != nil {
		return err
	}
	if err := c.ended(m.ctx); err != nil {
		if m.op == ws.OpContinuation {
			c.lose(err)
		}
		return err
	}
	err := c.writeData(m.ctx, m.op, fin, p)
	m.op = ws.OpContinuation
	return err
}

// beginMessage takes the lock, once no streamed message is in the way.
func (c *Conn) beginMessage(ctx context.Context, stream bool) error {
	if err := c.ended(ctx); err != nil {
		return err
	}
	for {
		c.out.lock.Lock()
		err := c.over()
		if err == nil {
			err = c.ended(ctx) // while it waited: nothing is written yet
		}
		if err != nil {
			c.release()
			return err
		}
		c.mu.Lock()
		if !c.out.open {
			c.out.open = stream
			c.mu.Unlock()
			return nil
		}
		if c.out.stream == nil {
			c.out.stream = make(chan struct{})
		}
		ended := c.out.stream
		c.mu.Unlock()
		c.release()
		select {
		case <-ended:
			continue
		case <-ctx.Done():
		case <-(*sessionContext)(c).Done():
		}
		return cmp.Or(c.over(), ctx.Err(), context.Cause((*sessionContext)(c)))
	}
}

func (c *Conn) endStream() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out.open = false
	if c.out.stream != nil {
		close(c.out.stream)
		c.out.stream = nil
	}
}

// release gives the lock back, and sends what has become pending meanwhile.
func (c *Conn) release() {
	c.out.lock.Unlock()
	c.kick()
}

// kick sends pending control frames, unless somebody holds the lock: that one will.
func (c *Conn) kick() {
	for c.out.pending.Load() != 0 && c.out.lock.TryLock() {
		c.flush()
		c.out.lock.Unlock()
	}
}

// writeData writes a data frame. The lock is held.
func (c *Conn) writeData(ctx context.Context, op ws.OpCode, fin bool, p []byte) error {
	var w *watch
	if !c.isOwn(ctx) && ctx.Done() != nil {
		w = newWatch(ctx, c.interruptWrite)
	}
	err := c.writeFrame(op, fin, p)
	if w.stop() {
		c.out.armed = 0
		if err != nil {
			err = ctx.Err()
		}
	}
	if err != nil {
		c.lose(err)
		return c.over()
	}
	if fin {
		c.out.messages.Add(1)
	}
	return nil
}

// interruptWrite ends a write for its context, unless that was derived from the session's and the connection is being closed: then the
// frame has its time, and the close frame follows it.
func (c *Conn) interruptWrite() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.end.begun {
		c.conn.SetWriteDeadline(time.Unix(1, 0))
	}
}

func (c *Conn) writeFrame(op ws.OpCode, fin bool, p []byte) error {
	b := writeBuffers.Get().(*writeBuffer)
	defer writeBuffers.Put(b)
	head := appendHeader(b.b[:0], op, fin, len(p))
	c.out.bytes.Add(uint64(len(head) + len(p)))
	if err := c.arm(); err != nil {
		return err
	}
	if len(head)+len(p) <= len(b.b) {
		_, err := c.conn.Write(append(head, p...))
		return err
	}
	b.chunks = [2][]byte{head, p}
	b.v = b.chunks[:]
	_, err := b.v.WriteTo(c.conn) // one system call on TCP
	b.chunks = [2][]byte{}
	return err
}

// arm sets the write deadline; not at every frame, since it costs more than the frame's header: it holds between three
// quarters and all of the timeout.
func (c *Conn) arm() error {
	now := now()
	if c.out.armed != 0 && time.Duration(now-c.out.armed) < c.config.writeTimeout/4 {
		return nil
	}
	c.out.armed = now
	return c.conn.SetWriteDeadline(now.add(c.config.writeTimeout).time())
}

// appendHeader appends the header of an unmasked frame.
func appendHeader(dst []byte, op ws.OpCode, fin bool, n int) []byte {
	first := byte(op)
	if fin {
		first |= 0x80
	}
	switch {
	case n < 126:
		return append(dst, first, byte(n))
	case n <= 0xffff:
		return binary.BigEndian.AppendUint16(append(dst, first, 126), uint16(n))
	}
	return binary.BigEndian.AppendUint64(append(dst, first, 127), uint64(n))
}

// pong answers a ping. Of several that wait, the last counts (RFC 6455 §5.5.3): a flood of pings takes no memory.
func (c *Conn) pong(payload []byte) {
	c.mu.Lock()
	answer := slices.Clone(payload)
	c.out.pong = &answer
	c.mu.Unlock()
	c.out.pending.Or(pendingPong)
	c.kick()
}

// flush writes what is pending. The lock is held.
func (c *Conn) flush() {
	pending := c.out.pending.Swap(0)
	if c.conn == nil || c.done() {
		return
	}
	b := writeBuffers.Get().(*writeBuffer)
	defer writeBuffers.Put(b)
	out := b.b[:0]
	if pending&pendingPong != 0 {
		c.mu.Lock()
		if answer := c.out.pong; answer != nil { // else it went with an earlier flush, before its bit was set
			out = append(appendHeader(out, ws.OpPong, true, len(*answer)), *answer...)
			c.out.pong = nil
		}
		c.mu.Unlock()
	}
	if pending&pendingPing != 0 {
		out = append(out, ws.CompiledPing...)
	}
	if pending&pendingClose != 0 {
		c.mu.Lock()
		out = appendClose(out, c.end.code, *c.end.reason)
		c.end.reason = nil
		c.mu.Unlock()
	}
	err := c.arm()
	if err == nil {
		_, err = c.conn.Write(out)
	}
	c.out.bytes.Add(uint64(len(out)))
	c.mu.Lock()
	if c.disarm() {
		c.out.armed = 0
	}
	c.mu.Unlock()
	if err != nil {
		c.lose(err)
	} else if pending&pendingClose != 0 {
		c.sentClose()
	}
}

// done reports whether nothing may be written any more.
func (c *Conn) done() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.end.sent || c.end.lost
}
