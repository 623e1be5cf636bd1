package upgrade

import (
	"context"
	"errors"
	"io"
	"net"
	"time"

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

// Read reads the next message and appends it to buf[:0], which may be nil: with a buffer that is
// large enough nothing is allocated. All of buf's capacity is used while it reads. It returns a
// message whole or not at all.
//
// A message over the limit closes the connection with 1009, text that is not UTF-8 with 1007,
// anything else against the protocol with 1002. The error is then a [*ProtocolError]; a
// [*CloseError] when the client has closed; one that is [ErrClosed], and that unwraps to the
// verdict if there is one, when this side has; and the network's when the connection broke. All of
// these are for good. If ctx ends first, Read returns its error: between two messages nothing is
// lost, within one the connection is closed with 1011.
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

// Reader returns the next message as a stream, which ends with [io.EOF]. What was not read of it is
// discarded by the next Read or Reader. Errors and ctx are as in [Conn.Read]; ctx holds for the
// stream's reads as well.
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

// SetReadLimit changes the size in bytes that a message may have, from the next message on
// ([Upgrader.MaxMessageBytes]). It is called by the goroutine that reads. It panics if n is not
// positive.
func (c *Conn) SetReadLimit(n int64) {
	if n <= 0 {
		panic("upgrade: SetReadLimit: want a positive size")
	}
	c.in.limit = n
}

// CloseRead reads and discards on a goroutine of its own, for a session that only writes: pings are
// answered, and the session's context ends when the client is gone. A data message closes the
// connection with 1008.
func (c *Conn) CloseRead() {
	go func() {
		if _, _, err := c.Reader((*sessionContext)(c)); err == nil {
			c.begin(1008, unexpectedMessage, ByServer, ErrClosed)
		}
	}()
}

var unexpectedMessage = codes.NewReason("unexpected_message", codes.Stop, 0)

// beginRead makes this goroutine the reader. The session's own context costs nothing: who cancels
// it has seen to the read's deadline.
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
