package fleet_test

import (
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	fleet "github.com/wsverdict/wsverdict/middleware/redis"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

// Every mistake is told, all of them at once.
func TestConfigMistakes(t *testing.T) {
	t.Parallel()
	deaf := redis.NewUniversalClient(&redis.UniversalOptions{Addrs: []string{"127.0.0.1:1"}})
	defer deaf.Close()
	_, err := fleet.New(deaf, fleet.Config{Prefix: "a{b}", KeySecret: []byte("short"), Timeout: 1, TokensAhead: -1, SeatLease: 1,
		Remember: 1, MaxSilence: -1, Upgraders: []*upgrade.Upgrader{nil}})
	if err == nil {
		t.Fatal("taken")
	}
	if n := strings.Count(err.Error(), "\n") + 1; n != 9 {
		t.Errorf("%d mistakes, want 9:\n%v", n, err)
	}
	if _, err := fleet.New(nil, fleet.Config{}); err == nil {
		t.Error("a nil client was taken")
	}
}

// Without Redis a server starts, answers at once, and ends.
func TestNoRedisAtAll(t *testing.T) {
	t.Parallel()
	client := newClient(t, func(o *redis.UniversalOptions) { o.Addrs = []string{"127.0.0.1:1"} })
	f := joinUnready(t, client, fleet.Config{Timeout: 10 * time.Millisecond})
	eventually(t, "nobody asks any more", func() bool {
		_, _, err := f.Seats().Take(ctx(t), key("ada"), 1)
		return err == fleet.ErrUnavailable
	})
	if s := f.Stats(); s.Silence != -1 || !s.Unavailable || s.Errors == 0 {
		t.Errorf("%+v", s)
	}
	if on, _ := f.Switch().State(); on {
		t.Error("maintenance out of nothing")
	}
	must(t, f.Close())
}

func TestEndWithAnAllow(t *testing.T) {
	t.Parallel()
	client := newClient(t, func(o *redis.UniversalOptions) { o.Addrs = []string{"127.0.0.1:1"} })
	f := joinUnready(t, client, fleet.Config{})
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	f.End(ctx(t), policy.Allow(), 0, user("ada"))
}

// One connection of a process waits for news, and after Close nothing of it is left.
func TestCloseWaits(t *testing.T) {
	t.Parallel()
	client := newClient(t, nil, startRedis(t))
	f := join(t, client, fleet.Config{})
	f.Seats()
	waiting := func() string {
		info := client.Info(ctx(t), "clients").Val()
		_, rest, _ := strings.Cut(info, "blocked_clients:")
		n, _, _ := strings.Cut(rest, "\r\n")
		return n
	}
	eventually(t, "it waits for news", func() bool { return waiting() == "1" })
	must(t, f.Close())
	if n := waiting(); n != "0" {
		t.Errorf("%s connections wait for news after Close", n)
	}
	if n := client.Exists(ctx(t), "wsverdict:leases:{0}").Val(); n != 0 {
		t.Error("a lease is left")
	}
}
