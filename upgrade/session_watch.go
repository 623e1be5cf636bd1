package upgrade

import (
	"context"
)

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
