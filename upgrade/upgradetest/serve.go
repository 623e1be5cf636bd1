package upgradetest

import (
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/wsverdict/wsverdict/upgrade"
)

// Patience ends a test that would hang. Nothing that works comes near it.
const Patience = time.Minute

// Serve serves h on a socket of its own and returns its address, host and port.
func Serve(t testing.TB, h http.Handler) (addr string) {
	t.Helper()
	srv := httptest.NewUnstartedServer(h)
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.Start()
	t.Cleanup(srv.Close)
	return srv.Listener.Addr().String()
}

// Run returns an endpoint's function that admits everybody to s.
func Run(s upgrade.Session) upgrade.Handler {
	return func(*http.Request) (upgrade.Session, error) { return s, nil }
}

// Echo is an [upgrade.Session] that sends back every message, until the client closes.
func Echo(ctx context.Context, c *upgrade.Conn) error {
	for {
		typ, p, err := c.Read(ctx, nil)
		if err != nil {
			return err
		}
		if err := c.Write(ctx, typ, p); err != nil {
			return err
		}
	}
}

// Eventually polls ok until it is true, for what tells nobody that it has happened. It fails the test,
// naming what it waited for, when that never comes.
func Eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(time.Until(patience()))
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for !ok() {
		select {
		case <-again.C:
		case <-deadline:
			t.Fatalf("it never came to this: %s", what)
		}
	}
}

// WantEmpty waits until every connection of up is gone, with all that it held.
func WantEmpty(t testing.TB, up *upgrade.Upgrader) {
	t.Helper()
	Eventually(t, "no connection and no seat is left", func() bool {
		s := up.Stats()
		return s.Live == 0 && s.Lingering == 0 && s.Seats == 0
	})
}
