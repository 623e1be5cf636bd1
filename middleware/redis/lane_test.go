package fleet

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"
)

// slowClient is a Redis that takes its time.
type slowClient struct {
	redis.UniversalClient // everything else panics
	pipelined             func(ctx context.Context, commands int)
}

func (c slowClient) Ping(ctx context.Context) *redis.StatusCmd {
	cmd := redis.NewStatusCmd(ctx)
	c.pipelined(ctx, 1)
	cmd.SetErr(ctx.Err())
	return cmd
}

func (c slowClient) Pipelined(ctx context.Context, fill func(redis.Pipeliner) error) ([]redis.Cmder, error) {
	p := nobody.Pipeline()
	fill(p)
	c.pipelined(ctx, p.Len())
	if err := ctx.Err(); err != nil {
		for _, cmd := range p.Cmds() {
			cmd.SetErr(err)
		}
	}
	return p.Cmds(), nil
}

var nobody = redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"}) // makes pipelines, and never connects

func ping(ctx context.Context, c redis.Cmdable) redis.Cmder { return c.Ping(ctx) }

// Who asks while pipelines are under way travels in the next one, except those who have gone.
func TestLaneSendsACrowdTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l lane
		sizes := make(chan int, 100)
		answer := make(chan struct{})
		client := slowClient{pipelined: func(_ context.Context, n int) { sizes <- n; <-answer }}
		ask := func(ctx context.Context) error {
			_, err := l.ask(ctx, client, time.Now().Add(time.Hour), ping)
			return err
		}
		leaderGone, cancelLeader := context.WithCancel(t.Context())
		gone, cancel := context.WithCancel(t.Context())
		for i := range mostLeaders + 20 {
			go func() {
				switch ctx := t.Context(); {
				case i == 0:
					ctx = leaderGone
					fallthrough
				case i != mostLeaders+10:
					if err := ask(ctx); err != nil {
						t.Error(err)
					}
				default:
					if err := ask(gone); !errors.Is(err, context.Canceled) {
						t.Errorf("got %v from a question that was given up", err)
					}
				}
			}()
			synctest.Wait()
		}
		cancel()
		cancelLeader() // the others' answers do not depend on it
		synctest.Wait()
		close(answer)
		synctest.Wait()
		close(sizes)
		pipelines, commands := 0, 0
		for n := range sizes {
			pipelines, commands = pipelines+1, commands+n
		}
		if pipelines > 2*mostLeaders || commands != mostLeaders+19 {
			t.Errorf("%d commands in %d pipelines, want %d in two for each leader at most", commands, pipelines, mostLeaders+19)
		}
		if l.leaders != 0 || len(l.waiting) != 0 {
			t.Errorf("%d leaders, %d waiting", l.leaders, len(l.waiting))
		}
	})
}

// Nobody waits longer than they said, whoever gives up at whatever moment, and the lane goes on.
func TestLaneIsNotLeftWithoutALeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l lane
		client := slowClient{pipelined: func(ctx context.Context, n int) {
			select {
			case <-time.After(time.Duration(rand.N(4)) * time.Millisecond):
			case <-ctx.Done():
			}
		}}
		var answered, gaveUp atomic.Int64
		var wg sync.WaitGroup
		for range 2000 {
			time.Sleep(time.Duration(rand.N(2)) * time.Millisecond)
			wg.Go(func() {
				patience := time.Duration(rand.N(6)) * time.Millisecond // ends together with pipelines
				begin := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				_, err := l.ask(ctx, client, begin.Add(patience), ping)
				if err == nil {
					answered.Add(1)
				} else {
					gaveUp.Add(1)
				}
				if waited := time.Since(begin); waited > patience {
					t.Errorf("waited %v, want at most %v", waited, patience)
				}
			})
		}
		wg.Wait()
		if l.leaders != 0 || answered.Load() == 0 || gaveUp.Load() == 0 {
			t.Errorf("%d leaders; %d answered, %d gave up", l.leaders, answered.Load(), gaveUp.Load())
		}
		if _, err := l.ask(t.Context(), client, time.Now().Add(time.Second), ping); err != nil {
			t.Error(err)
		}
	})
}
