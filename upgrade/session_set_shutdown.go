package upgrade

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
)

var restart = policy.Close(codes.ServiceUnavailable, "restart").WithAction(codes.Reconnect)

// restartSpread is over how long clients come back at least, however little time there is to close them.
const restartSpread = 5 * time.Second

// restarting refuses a handshake during a shutdown: somebody else may be there already, or soon.
func restarting() policy.Verdict { return restart.WithAfter(rand.N(restartSpread)) }

func (l *live) shuttingDown() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closing
}

// Shutdown ends all sessions in good order. From now on handshakes are refused, with 503 or 4503 restart;do=reconnect;after=… (1012
// in the IANA profile). The live connections are closed with the same, spread over half of the time that ctx leaves
// (5 seconds if it has no deadline), and are told to come back spread as well. Shutdown returns nil when the last one is gone.
// If ctx ends first, the rest are cut off, and it returns ctx's error without waiting for sessions that do not return.
//
// [net/http.Server.Shutdown] neither closes nor awaits these connections, and RegisterOnShutdown does not wait: call both, this one first
// or at the same time. A second Shutdown waits as the first does.
func (u *Upgrader) Shutdown(ctx context.Context) error {
	c := u.mounted()
	l := &c.live
	l.mu.Lock()
	l.closing = true
	if l.n+l.leaving == 0 {
		l.mu.Unlock()
		return nil
	}
	if l.empty == nil {
		l.empty = make(chan struct{})
	}
	empty := l.empty
	conns := l.with(nil)
	l.mu.Unlock()

	within := 5 * time.Second
	if deadline, ok := ctx.Deadline(); ok {
		within = max(0, time.Until(deadline)/2)
	}
	c.endAll(conns, &scheduledEnd{restart, within, max(within, restartSpread)})
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, conn := range l.with(nil) {
		go conn.lose(ctx.Err())
	}
	return ctx.Err()
}
