package upgrade

import (
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"

	"github.com/wsverdict/wsverdict/upgrade/internal/frame"
)

// An output is the state of the writing side. The lock is held while a frame is being written, over
// several calls if a session writes raw bytes. Control frames never wait for it: what cannot go at
// once is left pending, and whoever holds the lock sends it.
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

func (c *Conn) writeFrame(op ws.OpCode, fin bool, p []byte) error {
	b := writeBuffers.Get().(*writeBuffer)
	defer writeBuffers.Put(b)
	head := frame.AppendHeader(b.b[:0], op, fin, len(p))
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

// arm sets the write deadline; not at every frame, since it costs more than the frame's header: it
// holds between three quarters and all of the timeout.
func (c *Conn) arm() error {
	now := now()
	if c.out.armed != 0 && time.Duration(now-c.out.armed) < c.config.writeTimeout/4 {
		return nil
	}
	c.out.armed = now
	return c.conn.SetWriteDeadline(now.add(c.config.writeTimeout).time())
}

// pong answers a ping. Of several that wait, the last counts (RFC 6455 §5.5.3): a flood of pings
// takes no memory.
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
			out = append(frame.AppendHeader(out, ws.OpPong, true, len(*answer)), *answer...)
			c.out.pong = nil
		}
		c.mu.Unlock()
	}
	if pending&pendingPing != 0 {
		out = append(out, ws.CompiledPing...)
	}
	if pending&pendingClose != 0 {
		c.mu.Lock()
		out = frame.AppendClose(out, c.end.code, *c.end.reason)
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
