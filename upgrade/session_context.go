package upgrade

import (
	"cmp"
	"context"
	"time"
)

// A sessionContext is a Conn as its session's context. Most sessions only pass it on to reads and
// writes, which know it; the standard library's context, which can tell its cause and have
// children, is made when somebody asks for more.
type sessionContext Conn

type lazyContext struct {
	values context.Context // of SessionContext, and nothing else of it; nil for none. It does not change.
	real   context.Context // nil until somebody asks for it
	cancel context.CancelCauseFunc
}

func (c *sessionContext) real() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx == nil {
		c.ctx = &lazyContext{}
	}
	if c.ctx.real == nil {
		c.ctx.real, c.ctx.cancel = context.WithCancelCause((*Conn)(c).values())
		if cause := (*Conn)(c).cancelled(); cause != nil {
			c.ctx.cancel(cause)
		}
	}
	return c.ctx.real
}

// values is the context that the session's has its values from. mu is held.
func (c *Conn) values() context.Context {
	if c.ctx == nil || c.ctx.values == nil {
		return context.Background()
	}
	return c.ctx.values
}

// eventContext is values for those who do not hold mu.
func (c *Conn) eventContext() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.values()
}

// carry gives the session's context the values of ctx, if there can be any.
func (c *Conn) carry(ctx context.Context) {
	if ctx != nil {
		c.ctx = &lazyContext{values: context.WithoutCancel(ctx)}
	}
}

func (c *sessionContext) Deadline() (time.Time, bool) { return time.Time{}, false }
func (c *sessionContext) Done() <-chan struct{}       { return c.real().Done() }
func (c *sessionContext) Err() error                  { return c.real().Err() }

func (c *sessionContext) Value(key any) any {
	if v := (*Conn)(c).eventContext().Value(key); v != nil {
		return v
	}
	return c.real().Value(key) // the standard library asks it for what it has of its own
}

// isOwn reports whether ctx is the session's, whose end sees to reads and writes by itself.
func (c *Conn) isOwn(ctx context.Context) bool {
	own, ok := ctx.(*sessionContext)
	return ok && own == (*sessionContext)(c)
}

// ended is why a context has ended: because the connection has, if it was derived from the
// session's. That one itself is not looked at, the connection is.
func (c *Conn) ended(ctx context.Context) error {
	if c.isOwn(ctx) {
		return nil
	}
	err := ctx.Err()
	if err != nil {
		err = cmp.Or(c.over(), err)
	}
	return err
}

// cancelled is the cause of the context's end, nil while it lives. mu is held.
func (c *Conn) cancelled() error {
	switch {
	case c.end.begun:
		return c.end.cause
	case c.raw != nil && c.raw.peer != nil:
		return c.raw.peer
	}
	return nil
}

// cancel ends the context, if there is one yet.
func (c *Conn) cancel() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ctx.end(c.cancelled())
}

func (c *lazyContext) end(cause error) {
	if c != nil && c.cancel != nil {
		c.cancel(cause)
	}
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
