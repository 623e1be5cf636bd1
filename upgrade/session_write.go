package upgrade

import (
	"cmp"
	"context"
	"errors"
	"io"
	"time"

	"github.com/gobwas/ws"
)

// Write writes a message. It returns when the kernel has it; a client that does not read holds it
// up for [Upgrader.WriteTimeout] at most, and is then cut off. If ctx ends while the message is
// being written, the connection is cut off as well: half a message cannot be taken back. Errors are
// as in [Conn.Read].
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

// Writer begins a message that is written in parts, each a frame. Close ends it; other messages
// wait until then. ctx is as in [Conn.Write] and holds for all of it. A writer that is not closed
// blocks all others.
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

// interruptWrite ends a write for its context, unless that was derived from the session's and the
// connection is being closed: then the frame has its time, and the close frame follows it.
func (c *Conn) interruptWrite() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.end.begun {
		c.conn.SetWriteDeadline(time.Unix(1, 0))
	}
}
