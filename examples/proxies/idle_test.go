package proxies

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/wsverdict/wsverdict/upgrade"
	"github.com/wsverdict/wsverdict/upgrade/upgradetest"
)

// idleTime is what the proxies' idle time is cut down to, so that an idle minute passes in seconds.
const idleTime = 4 * time.Second

// TestPingKeepsIdleConnections: a connection on which nothing happens outlives the proxy's idle time, by the server's pings.
func TestPingKeepsIdleConnections(t *testing.T) {
	through(t, func(t *testing.T, p *proxy) {
		s := newServer(t, &upgrade.Upgrader{PingInterval: idleTime / 8, PingTimeout: testTime})
		site := p.run(t, s, p.idle)
		for range 3 { // a machine that stands still for seconds sends no ping: that says nothing about the proxy
			stalled := stalls()
			err := mustDial(t, site, "/ws/echo", "").idle(2 * idleTime)
			longest := stalled()
			if err == nil {
				return
			}
			if longest < idleTime/4 {
				t.Fatal(err)
			}
			t.Logf("%v, on a machine that stood still for %v", err, longest)
		}
		t.Skip("the machine is too slow for this")
	})
}

// TestIdleMinute: the same with the guide's configuration and the Upgrader's own pings, as they are. It takes that minute, so it is for CI.
func TestIdleMinute(t *testing.T) {
	if os.Getenv("WSVERDICT_REQUIRE_ALL") == "" {
		t.Skip("it takes a minute: set WSVERDICT_REQUIRE_ALL")
	}
	through(t, func(t *testing.T, p *proxy) {
		const minute = 65 * time.Second // the guide's idle times are 60 s
		c := mustDial(t, p.run(t, newServer(t, &upgrade.Upgrader{})), "/ws/echo", "")
		if err := c.conn.SetDeadline(time.Now().Add(minute + testTime)); err != nil {
			t.Fatal(err)
		}
		if err := c.idle(minute); err != nil {
			t.Error(err)
		}
	})
}

// idle answers pings for the given time, and then leaves. An error says that the connection was cut.
func (c *client) idle(d time.Duration) error {
	c.t.Helper()
	begin := time.Now()
	for time.Since(begin) < d {
		f, err := upgradetest.ReadFrame(c.read)
		if err != nil {
			return fmt.Errorf("cut after %v: %w", time.Since(begin), err)
		}
		if f.Header.OpCode != ws.OpPing {
			c.t.Fatalf("opcode %#x, want pings", f.Header.OpCode)
		}
		if err := c.write(ws.OpPong, f.Payload); err != nil {
			return err
		}
	}
	if err := c.write(ws.OpText, []byte("leave")); err != nil {
		return err
	}
	c.closes(wantCode, wantReason)
	return nil
}

// stalls begins to watch the clock. What it returns ends that, and tells the longest time for which nobody looked.
func stalls() (longest func() time.Duration) {
	stop, result := make(chan struct{}), make(chan time.Duration)
	go func() {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		last, most := time.Now(), time.Duration(0)
		for {
			select {
			case <-tick.C:
				now := time.Now()
				last, most = now, max(most, now.Sub(last))
			case <-stop:
				result <- max(most, time.Since(last))
				return
			}
		}
	}()
	return func() time.Duration {
		close(stop)
		return <-result
	}
}

// TestIdleTime: the line that the guide names is the one that ends idle connections.
func TestIdleTime(t *testing.T) {
	through(t, func(t *testing.T, p *proxy) {
		if p.idle.from == "" {
			t.Skipf("%s cuts no idle connection", p.name)
		}
		s := newServer(t, &upgrade.Upgrader{PingInterval: -1})
		site := p.run(t, s, p.idle)
		begin := time.Now()
		c := mustDial(t, site, "/ws/echo", "")
		if f, err := upgradetest.ReadFrame(c.read); err == nil {
			t.Fatalf("a frame with opcode %#x, want the end of the stream", f.Header.OpCode)
		}
		// The client itself would wait for testTime.
		if took := time.Since(begin); took < idleTime/2 || took >= testTime {
			t.Errorf("cut after %v, want some %v", took, idleTime)
		}
	})
}
