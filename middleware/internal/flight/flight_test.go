package flight_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/wsverdict/wsverdict/middleware/internal/flight"
	"github.com/wsverdict/wsverdict/policy"
)

// crowd has n callers wait for one call of key, and releases it when all of them do.
func crowd(t *testing.T, g *flight.Group[string, int], n int, f func() (int, error)) (values []int, errs []error) {
	t.Helper()
	var calls atomic.Int32
	release := make(chan struct{})
	values, errs = make([]int, n), make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			values[i], errs[i] = g.Do(t.Context(), "key", func(context.Context) (int, error) {
				calls.Add(1)
				<-release
				return f()
			})
		})
	}
	for g.Waiting("key") < n {
		runtime.Gosched()
	}
	close(release)
	all.Wait()
	if got := calls.Load(); got != 1 {
		t.Errorf("%d calls, want 1", got)
	}
	if g.Waiting("key") != 0 {
		t.Error("it is remembered")
	}
	return values, errs
}

func TestOnce(t *testing.T) {
	var g flight.Group[string, int]
	for round := range 2 { // and once again when it is over
		values, errs := crowd(t, &g, 50, func() (int, error) { return round, nil })
		for i := range values {
			if values[i] != round || errs[i] != nil {
				t.Fatalf("got %d, %v", values[i], errs[i])
			}
		}
	}
}

func TestFailuresReachAll(t *testing.T) {
	broken := errors.New("broken")
	for name, f := range map[string]func() (int, error){
		"error":  func() (int, error) { return 0, broken },
		"panic":  func() (int, error) { panic(broken) },
		"Goexit": func() (int, error) { runtime.Goexit(); return 0, nil },
	} {
		var g flight.Group[string, int]
		_, errs := crowd(t, &g, 5, f)
		for _, err := range errs {
			_, panicked := errors.AsType[*policy.PanicError](err)
			if err == nil || name != "Goexit" && !errors.Is(err, broken) || panicked != (name == "panic") {
				t.Errorf("%s: got %v", name, err)
			}
		}
	}
}

// The first one leaves, and the second gets its answer all the same, under a context that has not
// ended.
func TestACancelledCallerDoesNotFailTheOthers(t *testing.T) {
	var g flight.Group[string, int]
	release := make(chan struct{})
	f := func(ctx context.Context) (int, error) {
		<-release
		return 7, ctx.Err()
	}
	ctx, cancel := context.WithCancel(t.Context())
	left, stayed := make(chan error, 1), make(chan error, 1)
	go func() { _, err := g.Do(ctx, "key", f); left <- err }()
	for g.Waiting("key") < 1 {
		runtime.Gosched()
	}
	go func() { _, err := g.Do(t.Context(), "key", f); stayed <- err }()
	for g.Waiting("key") < 2 {
		runtime.Gosched()
	}
	cancel()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("who left got %v", err)
	}
	close(release)
	if err := <-stayed; err != nil {
		t.Errorf("who stayed got %v", err)
	}
}

// When nobody waits any more the call is told, and the next one who asks begins anew.
func TestACallThatNobodyWaitsFor(t *testing.T) {
	var g flight.Group[string, int]
	ctx, cancel := context.WithCancel(t.Context())
	told, hang := make(chan struct{}), make(chan struct{})
	defer close(hang)
	go func() {
		for g.Waiting("key") < 1 {
			runtime.Gosched()
		}
		cancel()
	}()
	_, err := g.Do(ctx, "key", func(ctx context.Context) (int, error) {
		<-ctx.Done()
		close(told)
		<-hang
		return 0, nil
	})
	<-told
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if n, err := g.Do(t.Context(), "key", func(context.Context) (int, error) { return 7, nil }); n != 7 || err != nil {
		t.Errorf("the next one got %d, %v", n, err)
	}
}
