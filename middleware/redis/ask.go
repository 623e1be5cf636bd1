package fleet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/redis/go-redis/v9"
)

// soon is until when somebody waits who asks now.
func (f *Fleet) soon() time.Time { return time.Now().Add(f.cfg.Timeout) }

// A command is run on a client, or added to a pipeline.
type command func(context.Context, redis.Cmdable) redis.Cmder

// ask runs a command on key that somebody waits for: until a deadline, and not at all while that
// key's node is known to be gone. [redis.Nil] is an answer.
func (f *Fleet) ask(ctx context.Context, deadline time.Time, op Op, key string, run command) (redis.Cmder, error) {
	cmd, err := f.attempt(ctx, deadline, key, run)
	return cmd, f.report(op, err)
}

// run is ask for a script: by its hash, and by its source where Redis does not know it.
func (f *Fleet) run(ctx context.Context, deadline time.Time, op Op, script *redis.Script, keys []string, args ...any) (*redis.Cmd, error) {
	cmd, err := f.attempt(ctx, deadline, keys[0], func(ctx context.Context, c redis.Cmdable) redis.Cmder {
		return script.EvalSha(ctx, c, keys, args...)
	})
	if redis.HasErrorPrefix(err, "NOSCRIPT") {
		cmd, err = f.attempt(ctx, deadline, keys[0], func(ctx context.Context, c redis.Cmdable) redis.Cmder {
			return script.Eval(ctx, c, keys, args...)
		})
	}
	if err != nil {
		return nil, f.report(op, err)
	}
	return cmd.(*redis.Cmd), nil
}

func (f *Fleet) attempt(ctx context.Context, deadline time.Time, key string, run command) (redis.Cmder, error) {
	if f.done.Err() != nil {
		return nil, ErrClosed
	}
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	lane := f.lanes.to(ctx, key)
	if !lane.allow(time.Now()) {
		f.counts.skipped.Add(1)
		return nil, ErrUnavailable
	}
	f.counts.commands.Add(1)
	cmd, err := lane.ask(ctx, f.client, deadline, run)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = context.DeadlineExceeded // it is what the socket's deadline was set to
	}
	return cmd, err
}

// report gives an error its place, and tells about those that are news.
func (f *Fleet) report(op Op, err error) error {
	switch {
	case err == nil, errors.Is(err, redis.Nil), errors.Is(err, ErrUnavailable), errors.Is(err, ErrClosed):
		return err
	}
	return f.failed(op, err)
}

// failed reports err and returns it with its place.
func (f *Fleet) failed(op Op, err error) error {
	err = &Error{op, err}
	f.counts.errors.Add(1)
	f.cfg.OnError(err)
	return err
}

// An Error is a failure that [Config.OnError] is told of.
type Error struct {
	Op  Op    // what was tried
	Err error // what came of it
}

// An Op is what a Fleet does with Redis: one of few words, fit for a metric's label.
type Op string

const (
	OpTakeTokens Op = "take_tokens" // for the [Limiter]
	OpTakeSeat   Op = "take_seat"   // for [Seats]
	OpKeepSeats  Op = "keep_seats"  // giving seats back, and renewing leases
	OpSay        Op = "say"         // an end, a revocation, a lift, maintenance
	OpFollow     Op = "follow"      // what others said
	OpApply      Op = "apply"       // what was said
	OpPutTicket  Op = "put_ticket"
	OpTakeTicket Op = "take_ticket"
)

// Error names the operation and what went wrong.
func (e *Error) Error() string { return fmt.Sprintf("fleet: %s: %v", e.Op, e.Err) }

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }
