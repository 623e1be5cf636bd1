package fleet_test

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/wsverdict/wsverdict/middleware"
	fleet "github.com/wsverdict/wsverdict/middleware/redis"
	"github.com/wsverdict/wsverdict/policy"
)

// patience is for what must happen, and is late on a busy machine alone: a Sentinel that was kept
// from running waits half a minute before it acts.
const patience = 2 * time.Minute

// eventually waits until ok holds, and returns how long that took.
func eventually(t testing.TB, what string, ok func() bool) time.Duration {
	t.Helper()
	begin := time.Now()
	deadline := time.After(patience)
	poll := time.NewTicker(2 * time.Millisecond)
	defer poll.Stop()
	for !ok() {
		select {
		case <-poll.C:
		case <-deadline:
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
	return time.Since(begin)
}

// join is a member of the fleet in this process, which has caught up.
func join(t testing.TB, client redis.UniversalClient, cfg fleet.Config) *fleet.Fleet {
	t.Helper()
	f := joinUnready(t, client, cfg)
	select {
	case <-f.Ready():
	case <-time.After(patience):
		t.Fatal("not ready")
	}
	return f
}

func joinUnready(t testing.TB, client redis.UniversalClient, cfg fleet.Config) *fleet.Fleet {
	t.Helper()
	if cfg.Timeout == 0 {
		cfg.Timeout = patience / 4 // tests about something else must not fail for a machine that is busy
	}
	f, err := fleet.New(client, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func ctx(t testing.TB) context.Context { return t.Context() }

func user(id string) policy.Tag      { return policy.Tag{Key: "user", Value: id} }
func key(name string) middleware.Key { return middleware.NewKey("user", name) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// calls is how often Redis has run a command, as INFO commandstats says.
func calls(t testing.TB, info, command string) int {
	t.Helper()
	for line := range strings.Lines(info) {
		if rest, ok := strings.CutPrefix(line, "cmdstat_"+command+":calls="); ok {
			n, _, _ := strings.Cut(rest, ",")
			i, err := strconv.Atoi(n)
			must(t, err)
			return i
		}
	}
	return 0
}
