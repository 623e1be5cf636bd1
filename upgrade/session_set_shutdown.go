package upgrade

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
)

var restart = policy.Close(codes.ServiceUnavailable, "restart").WithAction(codes.Reconnect)

// restartSpread is over how long clients come back at least, however little time there is to close
// them.
const restartSpread = 5 * time.Second

// restarting refuses a handshake during a shutdown: somebody else may be there already, or soon.
func restarting() policy.Verdict { return restart.WithAfter(rand.N(restartSpread)) }

// Shutdown ends all sessions in good order, and then shuts the given servers down, if any. From now
// on handshakes are refused, with 503 or 4503 restart;do=reconnect;after=… (1012 in the IANA
// profile). The live connections are closed with the same, spread over up to half of the time that
// ctx leaves (5 seconds if it has no deadline), and are told to come back spread as well. Shutdown
// returns nil when the last one is gone and the servers are down. Sessions that do not return in
// time are cut off and not waited for; the servers have an eighth of the time for themselves, a
// second at most, and are closed at its end. The error joins all that did not end by itself.
//
//	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
//	defer cancel()
//	err := up.Shutdown(ctx, srv)
//
// Clients that do not answer the close frame hold it up for [Upgrader.LingerTimeout]: the least
// time in which it can succeed is that and a second, 3 seconds by default.
//
// [net/http.Server.Shutdown] by itself neither closes nor awaits these connections, and
// RegisterOnShutdown does not wait. A second Shutdown waits as the first does.
func (u *Upgrader) Shutdown(ctx context.Context, servers ...*http.Server) error {
	sessions := ctx
	if deadline, ok := ctx.Deadline(); ok && len(servers) > 0 {
		var cancel context.CancelFunc
		sessions, cancel = context.WithDeadline(ctx, deadline.Add(-min(time.Second, time.Until(deadline)/8)))
		defer cancel()
	}
	errs := []error{u.shutdownSessions(sessions)}
	for _, server := range servers {
		if server == nil { // a program that is ending has no use for a panic
			continue
		}
		err := server.Shutdown(ctx)
		if err != nil {
			server.Close()
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (u *Upgrader) shutdownSessions(ctx context.Context) error {
	c := u.mounted()
	l := &c.live
	l.mu.Lock()
	l.closing.Store(true)
	if l.n+l.leaving == 0 {
		l.mu.Unlock()
		return nil
	}
	if l.empty == nil {
		l.empty = make(chan struct{})
	}
	empty := l.empty
	conns := l.all()
	l.mu.Unlock()

	within := c.shutdownSpread(ctx)
	c.endAll(conns, &scheduledEnd{restart, within, max(within, restartSpread)})
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, conn := range l.all() {
		go conn.lose(ctx.Err())
	}
	return ctx.Err()
}

// shutdownSpread is over how long the closes are spread: half of the time, if the last one has
// enough left to wait for a client that does not answer.
func (c *config) shutdownSpread(ctx context.Context) time.Duration {
	deadline, ok := ctx.Deadline()
	if !ok {
		return 5 * time.Second
	}
	left := time.Until(deadline)
	return max(0, min(left/2, left-c.lingerTimeout-lastDrain-3*tick))
}
