// Package flight lets what many ask for at the same time happen once.
package flight

import (
	"context"
	"errors"
	"runtime/debug"
	"sync"

	"github.com/wsverdict/wsverdict/policy"
)

var errGoexit = errors.New("middleware: the call ended its goroutine without returning")

// A Group coalesces calls with the same key. The zero value is ready; it is safe for concurrent use.
type Group[K comparable, V any] struct {
	mu    sync.Mutex
	calls map[K]*call[V]
}

type call[V any] struct {
	cancel  context.CancelFunc
	waiters int
	done    chan struct{}
	value   V
	err     error
}

// Do returns what f returns. Where a call for key is under way it waits for that one instead.
//
// f runs on a goroutine of its own, under a context with the values of the first caller's that ends
// when nobody waits any more: a caller whose ctx is done leaves with ctx's error, and does not fail
// the others. f must return at some time by itself. A panic in it is an [policy.PanicError] for all
// who wait.
func (g *Group[K, V]) Do(ctx context.Context, key K, f func(context.Context) (V, error)) (none V, err error) {
	g.mu.Lock()
	c := g.calls[key]
	if c == nil {
		c = &call[V]{done: make(chan struct{}), err: errGoexit}
		var own context.Context
		own, c.cancel = context.WithCancel(context.WithoutCancel(ctx))
		if g.calls == nil {
			g.calls = map[K]*call[V]{}
		}
		g.calls[key] = c
		go g.run(own, key, c, f)
	}
	c.waiters++
	g.mu.Unlock()

	select {
	case <-c.done:
		return c.value, c.err
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if c.waiters--; c.waiters == 0 {
		g.forget(key, c) // who comes now shall not get an answer that was given up
		c.cancel()
	}
	return none, ctx.Err()
}

func (g *Group[K, V]) run(ctx context.Context, key K, c *call[V], f func(context.Context) (V, error)) {
	defer c.cancel()
	defer close(c.done)
	defer func() { // also where f ends its goroutine
		g.mu.Lock()
		defer g.mu.Unlock()
		g.forget(key, c)
	}()
	defer func() {
		if x := recover(); x != nil {
			c.err = &policy.PanicError{Value: x, Stack: debug.Stack()}
		}
	}()
	c.value, c.err = f(ctx)
}

func (g *Group[K, V]) forget(key K, c *call[V]) {
	if g.calls[key] == c {
		delete(g.calls, key)
	}
}
