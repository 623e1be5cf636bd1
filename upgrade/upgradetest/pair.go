package upgradetest

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/wsverdict/wsverdict/upgrade"
)

// Pair returns a live connection, in memory, and the client at its other end. chain makes what admits
// it: an Upgrader's own method, or that behind links.
//
//	conn, client := upgradetest.Pair(t, up.Handler)
//	conn, client := upgradetest.Pair(t, func(h upgrade.Handler) http.Handler { return up.Use(users)(up.Handler(h)) })
//
// The connection is the test's own: nobody but the test reads from it. It is closed at the end of the
// test, if it was not before. fields are those of [Dial].
func Pair(t testing.TB, chain func(upgrade.Handler) http.Handler, fields ...string) (*upgrade.Conn, *Client) {
	t.Helper()
	over := make(chan struct{})
	conns := make(chan *upgrade.Conn, 1)
	client := Open(t, chain(Run(func(ctx context.Context, c *upgrade.Conn) error {
		conns <- c
		select {
		case <-ctx.Done():
		case <-over:
		}
		return nil
	})), "/ws", fields...)
	t.Cleanup(func() { close(over) })
	timer := time.NewTimer(time.Until(patience()))
	defer timer.Stop()
	select {
	case conn := <-conns:
		return conn, client
	case <-timer.C:
		t.Fatal("the connection was not admitted")
	}
	return nil, nil
}
