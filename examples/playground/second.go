package main

import (
	"context"
	"net/http"
	"sync/atomic"

	"github.com/wsverdict/wsverdict/upgrade"
)

// A second server within this one can be shut down, so that the playground itself goes on. Another takes its place at
// once, as with a deployment that starts the new before it ends the old.
type second struct {
	start func() instance
	now   atomic.Pointer[instance]
}

type instance struct {
	up *upgrade.Upgrader
	http.Handler
}

func newSecond(start func() instance) *second {
	s := &second{start: start}
	first := start()
	s.now.Store(&first)
	return s
}

func (s *second) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.now.Load().ServeHTTP(w, r) }

// restart shuts down the present one in good order.
func (s *second) restart() error {
	next := s.start()
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTime)
	defer cancel()
	return s.now.Swap(&next).up.Shutdown(ctx)
}
