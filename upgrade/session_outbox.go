package upgrade

import (
	"net"
	"sync"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
)

// slowConsumer is the default of [Upgrader.SlowConsumer].
var slowConsumer = policy.Close(codes.RequestTimeout, "slow_consumer").WithAction(codes.Reconnect)

const defaultOutboxBytes = 64 << 10

// An outbox has what [Conn.Send] was given and nobody has written yet. A connection has one while
// there is something in it, and one goroutine that empties it. It is guarded by Conn.mu.
type outbox struct {
	conn   *Conn
	run    func() // drain, bound once, so that starting the goroutine allocates nothing
	queue  []*Prepared
	bytes  int
	closed bool // it overflowed: it is empty, and nothing more is taken
}

var outboxes sync.Pool // of *outbox

func newOutbox(c *Conn) *outbox {
	box, ok := outboxes.Get().(*outbox)
	if !ok {
		box = &outbox{}
		box.run = box.drain
	}
	box.conn = c
	return box
}

// Send puts a message into the connection's outbox and returns: it never waits for the client. A
// goroutine of the library's, which is there only while the outbox is not empty, writes what is in
// it, several messages in one system call where they have piled up.
//
// A client that reads too slowly is closed once more than [Upgrader.OutboxBytes] wait for it, with
// [Upgrader.SlowConsumer]. A message that finds the outbox empty always fits. Send returns nil when
// the message was taken, which does not mean that it arrives; the overflow's error, which unwraps to
// its verdict; and, of a connection that was closed, why.
//
// Messages that are sent go in the order in which Send was called, by whichever goroutine. They do not
// overtake a [Conn.Write] that has returned; a Write may overtake those that still wait, so that who
// needs an order uses one of the two. Before the close frame of a session that has returned, what
// waits is written; any other close drops it. It is safe for concurrent use.
func (c *Conn) Send(p *Prepared) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.end.begun {
		return c.end.cause
	}
	box := c.outbox
	if box == nil {
		box = newOutbox(c)
		c.outbox = box
		if c.conn != nil { // else start does it
			go box.run()
		}
	}
	switch {
	case box.closed:
		return &closedError{c.config.slowConsumer}
	case len(box.queue) > 0 && box.bytes+p.cost() > c.config.outboxBytes:
		box.queue, box.bytes, box.closed = nil, 0, true
		go c.endWith(&c.config.slowConsumer, ByServer) // the close frame may have to wait for the client
		return &closedError{c.config.slowConsumer}
	}
	box.queue = append(box.queue, p)
	box.bytes += p.cost()
	return nil
}

// A batch is what is written at once.
type batch struct {
	queue   []*Prepared
	buffers net.Buffers
	left    net.Buffers // of buffers, while they are written
}

var batches = sync.Pool{New: func() any { return new(batch) }}

// drain empties the outbox and gives it back.
func (box *outbox) drain() {
	c := box.conn
	for c.beginMessage((*sessionContext)(c), false) == nil {
		more := c.writeOutbox()
		if !more {
			more = !c.giveOutbox(false)
		}
		c.release()
		if !more {
			return
		}
	}
	c.giveOutbox(true) // the connection is closed, and nothing is put in any more
}

// flushOutbox writes what waits, before the session's result closes the connection. A message that
// the session has left open would be waited for in vain.
func (c *Conn) flushOutbox() {
	c.mu.Lock()
	idle := c.outbox == nil
	c.mu.Unlock()
	if idle {
		return
	}
	c.out.lock.Lock()
	defer c.release()
	c.mu.Lock()
	ended := c.end.begun || c.out.open
	c.mu.Unlock()
	if !ended {
		c.writeOutbox()
	}
}

// writeOutbox writes what is in the outbox now, and reports whether there was anything. The
// output's lock is held, so that batches are written in the order of their taking.
func (c *Conn) writeOutbox() bool {
	b := batches.Get().(*batch)
	defer b.free()
	c.mu.Lock()
	if box := c.outbox; box != nil {
		b.queue, box.queue, box.bytes = box.queue, b.queue, 0
	}
	c.mu.Unlock()
	if len(b.queue) == 0 {
		return false
	}
	err := c.arm()
	if err == nil {
		err = c.writeBatch(b)
	}
	c.mu.Lock()
	if c.disarm() {
		c.out.armed = 0
	}
	c.mu.Unlock()
	if err != nil {
		c.lose(err)
	} else {
		c.out.messages.Add(uint64(len(b.queue)))
	}
	return true
}

// writeBatch writes small frames in one piece, which TLS makes one record, and large ones without
// copying them.
func (c *Conn) writeBatch(b *batch) error {
	n := 0
	for _, p := range b.queue {
		n += len(p.frame)
	}
	c.out.bytes.Add(uint64(n))
	if len(b.queue) == 1 {
		_, err := c.conn.Write(b.queue[0].frame)
		return err
	}
	if small := writeBuffers.Get().(*writeBuffer); n <= len(small.b) {
		defer writeBuffers.Put(small)
		out := small.b[:0]
		for _, p := range b.queue {
			out = append(out, p.frame...)
		}
		_, err := c.conn.Write(out)
		return err
	} else {
		writeBuffers.Put(small)
	}
	for _, p := range b.queue {
		b.buffers = append(b.buffers, p.frame)
	}
	b.left = b.buffers
	_, err := b.left.WriteTo(c.conn)
	return err
}

// giveOutbox gives the outbox back, and reports whether it does: one that is not empty only if what
// is in it is to be dropped. One that overflowed stays, and refuses what else is sent.
func (c *Conn) giveOutbox(drop bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	box := c.outbox
	switch {
	case box.closed:
		return true
	case len(box.queue) > 0 && !drop:
		return false
	}
	c.outbox = nil
	clear(box.queue)
	box.conn, box.queue, box.bytes = nil, box.queue[:0], 0
	if cap(box.queue) <= maxPooledQueue {
		outboxes.Put(box)
	}
	return true
}

// maxPooledQueue keeps what one slow connection needed from being kept for all.
const maxPooledQueue = 256

func (b *batch) free() {
	clear(b.queue)
	clear(b.buffers)
	b.queue, b.buffers, b.left = b.queue[:0], b.buffers[:0], nil
	if cap(b.queue) <= maxPooledQueue && cap(b.buffers) <= maxPooledQueue {
		batches.Put(b)
	}
}

// Broadcast puts a message into the outboxes of all live connections that have all the given tags
// ([Conn.Send]), and returns into how many. Nobody waits for anybody; who reads too slowly is closed.
// A connection that is being admitted is among them from the moment that its tags are in place, which
// is before its client knows that it is connected. Messages of one goroutine arrive everywhere in the
// order in which it sent them.
func (u *Upgrader) Broadcast(p *Prepared, tag policy.Tag, more ...policy.Tag) int {
	return u.broadcast(p, append([]policy.Tag{tag}, more...))
}

// BroadcastAll is [Upgrader.Broadcast] to all connections, whatever their tags.
func (u *Upgrader) BroadcastAll(p *Prepared) int { return u.broadcast(p, nil) }

func (u *Upgrader) broadcast(p *Prepared, tags []policy.Tag) (n int) {
	l := &u.mounted().live
	l.mu.Lock()
	found := l.selected(tags)
	l.mu.Unlock()
	for _, c := range found {
		if c.Send(p) == nil {
			n++
		}
	}
	return n
}
