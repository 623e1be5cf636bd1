// Package within waits for functions of the user's, and never longer than it was told: also where
// they ignore their context.
//
// A function that does not return in time is left behind on its goroutine. How many goroutines
// there can be is bounded, so that a store that hangs costs a bounded amount of memory, however
// many handshakes ask for it.
//
// Every call costs a goroutine, a channel and a context (about a microsecond). What is known to
// return at once is called directly.
package within

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/wsverdict/wsverdict/policy"
)

var (
	// ErrBusy says that the call was not begun, because of the Guard's bound.
	ErrBusy = errors.New("middleware: too many calls have not returned")

	errGoexit = errors.New("middleware: the call ended its goroutine without returning")
)

// A timeoutError is what a caller gets who has waited for the whole timeout.
type timeoutError struct{ timeout time.Duration }

func (e timeoutError) Error() string {
	return fmt.Sprintf("middleware: no answer within %v", e.timeout)
}
func (e timeoutError) Timeout() bool { return true }
func (e timeoutError) Unwrap() error { return context.DeadlineExceeded }

// A Guard bounds how many calls run at a time, those that nobody waits for any more included. One
// Guard belongs to one thing that is asked: what hangs shall not keep others from working. It is
// safe for concurrent use.
type Guard struct {
	running   chan struct{} // a place per call
	abandoned atomic.Int64  // calls that nobody waits for
}

// DefaultCalls is the bound that fits a store: at 10 ms an answer it lets through 100,000 calls a
// second, and a goroutine that hangs costs some kilobytes.
const DefaultCalls = 1024

// NewGuard returns a Guard for at most n calls at a time; n below 1 means [DefaultCalls].
func NewGuard(n int) *Guard {
	if n < 1 {
		n = DefaultCalls
	}
	return &Guard{running: make(chan struct{}, n)}
}

// Abandoned returns how many calls are running that nobody waits for any more.
func (g *Guard) Abandoned() int { return int(g.abandoned.Load()) }

// Call calls f and returns what it returns, after at most timeout (which must be positive), and as
// soon as ctx is done. f gets a context that ends then. On time f's own result counts; after it, an
// error that is [context.DeadlineExceeded] or the error of ctx. A panic in f is an
// [policy.PanicError].
//
// Where all of g's places are taken, Call waits for one as part of the timeout; where all of them
// are taken by calls that were abandoned, it fails at once with [ErrBusy].
//
// f may go on after Call has returned: it must not use what belongs to the caller alone, such as
// the request.
func Call[T any](ctx context.Context, g *Guard, timeout time.Duration, f func(context.Context) (T, error)) (T, error) {
	return CallLate(ctx, g, timeout, f, nil)
}

// CallLate is [Call] for an f that takes something: late is called with what f returns without an
// error after the caller has gone, to give it back. It runs on f's goroutine, which counts as
// abandoned until then.
func CallLate[T any](ctx context.Context, g *Guard, timeout time.Duration, f func(context.Context) (T, error), late func(T)) (none T, err error) {
	if err := ctx.Err(); err != nil {
		return none, err
	}
	outer := ctx
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	gone := func() error {
		if err := outer.Err(); err != nil {
			return err
		}
		return timeoutError{timeout}
	}
	select {
	case g.running <- struct{}{}:
	default:
		if g.Abandoned() >= cap(g.running) {
			return none, ErrBusy
		}
		select {
		case g.running <- struct{}{}:
		case <-ctx.Done():
			return none, gone()
		}
	}
	c := &call[T]{err: errGoexit, done: make(chan struct{})}
	go c.run(ctx, g, f, late)
	select {
	case <-c.done:
	case <-ctx.Done():
		g.abandoned.Add(1)
		if c.over.CompareAndSwap(false, true) {
			return none, gone()
		}
		g.abandoned.Add(-1) // it returned in the same moment
		<-c.done
	}
	return c.value, c.err
}

// A call is shared by the caller and the goroutine that runs f. Whoever is the first to set over,
// by returning or by leaving, decides whether the result counts.
type call[T any] struct {
	value T
	err   error
	over  atomic.Bool
	done  chan struct{}
}

func (c *call[T]) run(ctx context.Context, g *Guard, f func(context.Context) (T, error), late func(T)) {
	defer func() { <-g.running }()
	defer func() { // also where f ends its goroutine
		if c.over.CompareAndSwap(false, true) {
			close(c.done)
			return
		}
		defer g.abandoned.Add(-1)
		if late != nil && c.err == nil {
			defer func() { _ = recover() }() // nobody is left to tell
			late(c.value)
		}
	}()
	defer func() {
		if x := recover(); x != nil {
			c.err = &policy.PanicError{Value: x, Stack: debug.Stack()}
		}
	}()
	c.value, c.err = f(ctx)
}
