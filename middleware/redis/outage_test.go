package fleet_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/wsverdict/wsverdict/middleware"
	fleet "github.com/wsverdict/wsverdict/middleware/redis"
)

// whole checks that every part of a fleet works, from two members.
func whole(t *testing.T, f, g *fleet.Fleet) {
	t.Helper()
	name := strconv.FormatInt(time.Now().UnixNano(), 36)
	take := func(f *fleet.Fleet) bool {
		got, err := f.Limiter().Take(ctx(t), key(name), middleware.PerHour(1), 1)
		must(t, err)
		return got.Allowed
	}
	if !take(f) || take(g) {
		t.Error("the limit does not hold")
	}
	_, first, err := f.Seats().Take(ctx(t), key(name), 1)
	must(t, err)
	_, second, err := g.Seats().Take(ctx(t), key(name), 1)
	must(t, err)
	if !first || second {
		t.Error("the seats do not hold")
	}
	must(t, f.Tickets().Put(ctx(t), name, []byte("ticket"), time.Minute))
	if ticket, ok, err := g.Tickets().Take(ctx(t), name); string(ticket) != "ticket" || !ok || err != nil {
		t.Errorf("ticket: %q, %v, %v", ticket, ok, err)
	}
	must(t, f.Revoke(ctx(t), banned, time.Hour, user(name)))
	must(t, f.Switch().On(ctx(t)))
	eventually(t, "a ban and maintenance arrive", func() bool {
		revoked, err := g.Revocations().Revoked(user(name))
		on, _ := g.Switch().State()
		return revoked && on && err == nil
	})
	must(t, g.Switch().Off(ctx(t)))
}

// Redis hangs: nobody waits for longer than the timeout, soon nobody waits at all, and when it is
// back all goes on as before.
func TestRedisPaused(t *testing.T) {
	node := startRedis(t)
	client := newClient(t, nil, node)
	lost := make(chan struct{})
	reportLost := sync.OnceFunc(func() { close(lost) })
	f, g := join(t, client, fleet.Config{Timeout: 50 * time.Millisecond, OnError: func(err error) {
		if strings.Contains(err.Error(), "follow the ends") {
			reportLost()
		}
	}}), join(t, client, fleet.Config{})
	limit, err := middleware.NewRateLimit(middleware.RateLimitConfig{Rate: middleware.PerHour(3), Limiter: f.Limiter(),
		Key: func(*http.Request) (middleware.Key, bool) { return key("ada"), true }})
	must(t, err)
	if _, ok, err := f.Seats().Take(ctx(t), key("early"), 1); !ok || err != nil { // Redis knows the script
		t.Fatal(ok, err)
	}
	node.signal(t, syscall.SIGSTOP)
	if _, _, err := f.Seats().Take(ctx(t), key("late"), 1); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a seat: %v", err)
	}
	allowed, slow := 0, 0
	var longest time.Duration
	for range 1000 {
		begin := time.Now()
		if v := limit.Judge(httptest.NewRequest("GET", "/", nil)); v.Allowed() {
			allowed++
		} else if v.Status() != 429 {
			t.Fatal(v)
		}
		d := time.Since(begin)
		longest = max(longest, d)
		if d > 40*time.Millisecond {
			slow++
		}
	}
	if allowed != 3 {
		t.Errorf("%d admitted, want this process's own count of 3", allowed)
	}
	s := f.Stats()
	t.Logf("longest %v, %d waited, %+v", longest, slow, s)
	if !s.Unavailable || s.Skipped < 900 {
		t.Errorf("%+v: Redis was asked for most of them", s)
	}
	if _, _, err := f.Seats().Take(ctx(t), key("ada"), 1); err == nil {
		t.Error("a seat was taken")
	}
	<-lost // the stream has noticed, too
	node.signal(t, syscall.SIGCONT)
	eventually(t, "Redis is back", func() bool { return !f.Stats().Unavailable })
	eventually(t, "and answers in time", func() bool {
		_, err := f.Limiter().Take(context.Background(), key("any"), middleware.PerHour(1), 1)
		return err == nil
	})
	// The seat that nobody got because the answer came too late is free.
	eventually(t, "a seat", func() bool { _, ok, err := g.Seats().Take(ctx(t), key("late"), 1); return ok && err == nil })
}

// Redis is killed and comes back without its data.
func TestRedisRestarted(t *testing.T) {
	node := startRedis(t)
	client := newClient(t, nil, node)
	f, g := join(t, client, fleet.Config{SeatLease: time.Second}), join(t, client, fleet.Config{SeatLease: time.Second})
	whole(t, f, g)
	give, ok, err := f.Seats().Take(ctx(t), key("held"), 1)
	if !ok || err != nil {
		t.Fatal(ok, err)
	}
	node.kill()
	eventually(t, "it is known to be gone", func() bool {
		_, err := f.Limiter().Take(ctx(t), key("any"), middleware.PerHour(1), 1)
		return errors.Is(err, fleet.ErrUnavailable)
	})
	if !node.start(t) {
		t.Fatal("no restart")
	}
	eventually(t, "both are back", func() bool {
		_, e1 := f.Limiter().Take(context.Background(), key("f"), middleware.PerHour(1e6), 1)
		_, e2 := g.Limiter().Take(context.Background(), key("g"), middleware.PerHour(1e6), 1)
		return e1 == nil && e2 == nil
	})
	whole(t, f, g)
	eventually(t, "the seat that is held is stated anew", func() bool {
		return len(client.Keys(ctx(t), "wsverdict:seats:*held").Val()) == 1
	})
	if _, ok, err := g.Seats().Take(ctx(t), key("held"), 1); ok || err != nil {
		t.Errorf("taken twice: %v, %v", ok, err)
	}
	give()
	eventually(t, "it is free", func() bool { _, ok, err := g.Seats().Take(ctx(t), key("held"), 1); return ok && err == nil })
}

// A member that lost its connection applies what was said meanwhile, once it is back.
func TestConnectionLost(t *testing.T) {
	client := newClient(t, nil, startRedis(t))
	away := newClient(t, func(o *redis.UniversalOptions) { o.ClientName = "away" }, nodeOf(client))
	f, g := join(t, client, fleet.Config{}), join(t, away, fleet.Config{})
	command(t, client, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
	must(t, f.Revoke(ctx(t), banned, time.Hour, user("ada")))
	eventually(t, "the ban is known", func() bool { revoked, err := g.Revocations().Revoked(user("ada")); return revoked && err == nil })
}

func nodeOf(c redis.UniversalClient) *node {
	_, port, _ := strings.Cut(c.(*redis.Client).Options().Addr, ":")
	n, _ := strconv.Atoi(port)
	return &node{port: n}
}

func TestScriptCacheFlushed(t *testing.T) {
	client := newClient(t, nil, startRedis(t))
	f, g := join(t, client, fleet.Config{}), join(t, client, fleet.Config{})
	whole(t, f, g)
	command(t, client, "SCRIPT", "FLUSH")
	whole(t, f, g)
}

func TestTLSAndPassword(t *testing.T) {
	certFile, keyFile, conf := certificate(t)
	node := startRedis(t)
	node.kill()
	port := strconv.Itoa(node.port)
	node.args = append(node.args, "--port", "0", "--tls-port", port, "--tls-cert-file", certFile, "--tls-key-file", keyFile,
		"--tls-auth-clients", "no", "--requirepass", "secret")
	if !node.start(t) {
		t.Fatal("no Redis with TLS")
	}
	client := newClient(t, func(o *redis.UniversalOptions) { o.TLSConfig, o.Password = conf, "secret" }, node)
	whole(t, join(t, client, fleet.Config{}), join(t, client, fleet.Config{}))
}

func TestCluster(t *testing.T) {
	nodes := startCluster(t)
	client := newClient(t, nil, nodes...)
	f, g := join(t, client, fleet.Config{}), join(t, client, fleet.Config{})
	for range 10 { // keys of many slots
		whole(t, f, g)
	}
	for _, n := range nodes { // each has some of it
		one := newClient(t, nil, n)
		if size := one.DBSize(ctx(t)).Val(); size < 10 {
			t.Errorf("%s has %d keys", n.addr(), size)
		}
	}
	servers := startServers(t, 2, plan{Addrs: []string{nodes[0].addr(), nodes[1].addr()}})
	ada := dial(t, servers[0].addr, "ada")
	servers[1].ask(t, "/revoke?user=ada")
	ada.wantClosed(t, "4403 banned")
}

// The master is gone, and a replica takes over.
func TestSentinelFailover(t *testing.T) {
	master, sentinels := startSentinel(t)
	client := newClient(t, func(o *redis.UniversalOptions) { o.MasterName = "main" }, sentinels...)
	f, g := join(t, client, fleet.Config{}), join(t, client, fleet.Config{})
	whole(t, f, g)
	must(t, f.Revoke(ctx(t), banned, time.Hour, user("ada")))
	command(t, newClient(t, nil, master), "WAIT", 1, 5000)
	master.kill()
	took := eventually(t, "the replica has taken over", func() bool {
		c, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		return f.Tickets().Put(c, strconv.FormatInt(time.Now().UnixNano(), 36), nil, time.Minute) == nil
	})
	t.Log("after", took)
	eventually(t, "the other member is back, too", func() bool {
		return g.Tickets().Put(context.Background(), strconv.FormatInt(time.Now().UnixNano(), 36), nil, time.Minute) == nil
	})
	whole(t, f, g)
	if revoked, err := join(t, client, fleet.Config{}).Revocations().Revoked(user("ada")); !revoked || err != nil {
		t.Errorf("the ban was lost: %v, %v", revoked, err)
	}
}
