package within_test

import (
	"context"
	"errors"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wsverdict/wsverdict/middleware/internal/within"
	"github.com/wsverdict/wsverdict/policy"
)

// long is a timeout that no test reaches, and short one that every test waits for.
const (
	long  = time.Minute
	short = time.Millisecond
)

type key struct{}

func TestCall(t *testing.T) {
	ctx := context.WithValue(t.Context(), key{}, "value")
	broken := errors.New("broken")
	for _, tc := range []struct {
		name string
		f    func(context.Context) (int, error)
		want int
		err  error
	}{
		{"a result", func(context.Context) (int, error) { return 7, nil }, 7, nil},
		{"an error", func(context.Context) (int, error) { return 7, broken }, 7, broken},
		{"the context's values", func(ctx context.Context) (int, error) { return len(ctx.Value(key{}).(string)), nil }, 5, nil},
		{"a panic with an error", func(context.Context) (int, error) { panic(broken) }, 0, broken},
	} {
		g := within.NewGuard(1)
		got, err := within.Call(ctx, g, long, tc.f)
		if got != tc.want || !errors.Is(err, tc.err) {
			t.Errorf("%s: %d, %v, want %d, %v", tc.name, got, err, tc.want, tc.err)
		}
		if n := g.Abandoned(); n != 0 {
			t.Errorf("%s: %d abandoned", tc.name, n)
		}
		if _, err := within.Call(ctx, g, long, func(context.Context) (int, error) { return 0, nil }); err != nil {
			t.Errorf("%s: its place is not free again: %v", tc.name, err)
		}
	}
}

func TestCallThatPanics(t *testing.T) {
	_, err := within.Call(t.Context(), within.NewGuard(0), long, func(context.Context) (int, error) { panic("boom") })
	p, ok := errors.AsType[*policy.PanicError](err)
	if !ok || p.Value != "boom" || len(p.Stack) == 0 {
		t.Errorf("got %v, want the panic with its stack", err)
	}
}

// A function that ends its goroutine, as t.FailNow does in a test's double, does not leave the
// caller waiting.
func TestCallThatEndsItsGoroutine(t *testing.T) {
	g := within.NewGuard(1)
	for range 2 {
		if _, err := within.Call(t.Context(), g, long, func(context.Context) (int, error) { runtime.Goexit(); return 0, nil }); err == nil {
			t.Error("a result from nowhere")
		}
	}
}

// Neither a timeout nor a request that has ended waits for a function that ignores its context.
func TestCallThatIgnoresItsContext(t *testing.T) {
	cancelled, cancel := context.WithCancel(t.Context())
	for _, tc := range []struct {
		name    string
		ctx     context.Context
		timeout time.Duration
		before  func()
		want    error
	}{
		{"timeout", t.Context(), short, func() {}, context.DeadlineExceeded},
		{"the request is cancelled", cancelled, long, cancel, context.Canceled},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := within.NewGuard(3)
			hang, ended := make(chan struct{}), make(chan error, 1)
			_, err := within.Call(tc.ctx, g, tc.timeout, func(ctx context.Context) (int, error) {
				tc.before()
				<-ctx.Done() // it is told,
				<-hang       // and does not care
				ended <- ctx.Err()
				return 1, nil
			})
			if !errors.Is(err, tc.want) {
				t.Errorf("got %v, want %v", err, tc.want)
			}
			if n := g.Abandoned(); n != 1 {
				t.Errorf("%d abandoned, want 1", n)
			}
			close(hang)
			if err := <-ended; err == nil {
				t.Error("its context did not end")
			}
			waitFor(t, func() bool { return g.Abandoned() == 0 })
		})
	}
}

func TestCallOfAnEndedRequestIsNotBegun(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := within.Call(ctx, within.NewGuard(1), long, func(context.Context) (int, error) { t.Error("called"); return 0, nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// However many ask for what hangs, so many goroutines are left behind and no more; then nobody
// waits. When it has recovered, all is well again.
func TestWhatIsLeftBehindIsBounded(t *testing.T) {
	const bound = 4
	g := within.NewGuard(bound)
	hang := make(chan struct{})
	var begun atomic.Int64
	stuck := func(context.Context) (int, error) {
		begun.Add(1)
		<-hang
		return 0, nil
	}
	var all sync.WaitGroup
	for range 50 { // at the same time: also those that wait for a place wait no longer than the timeout
		all.Go(func() {
			if _, err := within.Call(t.Context(), g, 20*time.Millisecond, stuck); err == nil {
				t.Error("an answer from what hangs")
			}
		})
	}
	all.Wait()
	if n := g.Abandoned(); n != bound {
		t.Errorf("%d abandoned, want %d", n, bound)
	}
	for range 100 {
		if _, err := within.Call(t.Context(), g, long, stuck); !errors.Is(err, within.ErrBusy) {
			t.Fatalf("got %v, want ErrBusy at once", err)
		}
	}
	close(hang)
	waitFor(t, func() bool { return g.Abandoned() == 0 })
	if n := begun.Load(); n != bound {
		t.Errorf("%d calls were begun, want %d", n, bound)
	}
	for range 2 * bound {
		if _, err := within.Call(t.Context(), g, long, stuck); err != nil {
			t.Fatalf("after it has recovered: %v", err)
		}
	}
}

// A crowd that is larger than the bound waits for places where answers do come.
func TestACrowdWaitsForPlaces(t *testing.T) {
	g := within.NewGuard(2)
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			if _, err := within.Call(t.Context(), g, long, func(context.Context) (int, error) { runtime.Gosched(); return 0, nil }); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

// What was taken after the caller had gone is given back, once; what was taken in time, and what
// was not taken, is not.
func TestLate(t *testing.T) {
	for _, tc := range []struct {
		name  string
		hangs bool
		err   error
		late  int
	}{
		{"in time", false, nil, 0},
		{"late", true, nil, 1},
		{"late, with an error", true, io.EOF, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := within.NewGuard(1)
			hang, given := make(chan struct{}), make(chan int, 2)
			timeout := long
			if tc.hangs {
				timeout = short
			}
			within.CallLate(t.Context(), g, timeout, func(context.Context) (int, error) {
				if tc.hangs {
					<-hang
				}
				return 7, tc.err
			}, func(n int) {
				given <- n
				panic("nobody is left to tell")
			})
			close(hang)
			waitFor(t, func() bool { return g.Abandoned() == 0 })
			if len(given) != tc.late || tc.late == 1 && <-given != 7 {
				t.Errorf("%d given back, want %d", len(given), tc.late)
			}
		})
	}
}

// waitFor polls: a goroutine's end tells nobody.
func waitFor(t *testing.T, true func() bool) {
	t.Helper()
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	for deadline := time.After(time.Minute); !true(); {
		select {
		case <-again.C:
		case <-deadline:
			t.Fatal("it did not come to be")
		}
	}
}

func BenchmarkCall(b *testing.B) {
	g := within.NewGuard(0)
	f := func(context.Context) (int, error) { return 7, nil }
	b.ReportAllocs()
	for b.Loop() {
		within.Call(b.Context(), g, long, f)
	}
}
