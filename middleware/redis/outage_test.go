package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/wsverdict/wsverdict/middleware"
	fleet "github.com/wsverdict/wsverdict/middleware/redis"
	"github.com/wsverdict/wsverdict/upgrade"
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

// Redis hangs: admission goes on, nobody waits for longer than the timeout, soon nobody waits at
// all, and when it is back all goes on as before.
func TestRedisPaused(t *testing.T) {
	t.Parallel()
	pause := 2 * time.Second
	if os.Getenv("WSVERDICT_REQUIRE_ALL") != "" {
		pause = 10 * time.Second
	}
	node := startRedis(t)
	client := newClient(t, nil, node)
	lost := make(chan struct{})
	reportLost := sync.OnceFunc(func() { close(lost) })
	up := &upgrade.Upgrader{}
	f, g := join(t, client, fleet.Config{Upgraders: []*upgrade.Upgrader{up}, Timeout: 50 * time.Millisecond, OnError: func(err error) {
		if e, ok := errors.AsType[*fleet.Error](err); !ok {
			t.Errorf("%T", err)
		} else if e.Op == fleet.OpFollow {
			reportLost()
		}
	}}), join(t, client, fleet.Config{})
	server := httptest.NewServer(routes(f, up))
	defer server.Close()
	addr := strings.TrimPrefix(server.URL, "http://")
	limit, err := middleware.NewRateLimit(middleware.RateLimitConfig{Rate: middleware.PerHour(3), Limiter: f.Limiter(),
		Key: func(*http.Request) (middleware.Key, bool) { return key("ada"), true }})
	must(t, err)
	eventually(t, "Redis knows the script", func() bool { _, ok, err := f.Seats().Take(ctx(t), key("early"), 9); return ok && err == nil })
	early := dial(t, addr, "ada")
	if !early.alive() {
		t.Fatal("not admitted")
	}

	node.signal(t, syscall.SIGSTOP)
	<-lost // the stream has noticed, too: no answer of before is on its way
	begin, before := time.Now(), f.Stats()
	if _, _, err := f.Seats().Take(ctx(t), key("late"), 1); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a seat: %v", err)
	}
	allowed := 0
	for range 1000 {
		if v := limit.Judge(httptest.NewRequest("GET", "/", nil)); v.Allowed() {
			allowed++
		} else if v.Status() != 429 {
			t.Fatal(v)
		}
	}
	if allowed != 3 {
		t.Errorf("%d admitted, want this process's own count of 3", allowed)
	}
	for range 2 { // this process counts alone: three connections, with the one that it had
		if !dial(t, addr, "ada").alive() {
			t.Error("not admitted while Redis is away")
		}
	}
	dial(t, addr, "ada").wantClosed(t, "4429 too_many_connections")
	var took []time.Duration
	for len(took) == 0 || time.Since(begin) < pause {
		start := time.Now()
		p := dial(t, addr, strconv.Itoa(len(took)))
		if !p.alive() {
			t.Fatal("not admitted while Redis is away")
		}
		took = append(took, time.Since(start))
		p.Close()
	}
	slices.Sort(took)
	s := f.Stats()
	t.Logf("%d handshakes in %v: p99 %v, longest %v; %+v", len(took), pause, took[len(took)*99/100], took[len(took)-1], s)
	// Five that failed one after the other, and then one each half second.
	if asked, most := s.Commands-before.Commands, 5+1+uint64(time.Since(begin)/(time.Second/2)); !s.Unavailable || asked > most {
		t.Errorf("%+v: Redis was asked %d times, want at most %d", s, asked, most)
	}
	if _, _, err := f.Seats().Take(ctx(t), key("ada"), 1); err == nil {
		t.Error("a seat was taken")
	}

	node.signal(t, syscall.SIGCONT)
	eventually(t, "Redis is back", func() bool { return !f.Stats().Unavailable })
	eventually(t, "and answers in time", func() bool {
		_, err := f.Limiter().Take(context.Background(), key("any"), middleware.PerHour(1), 1)
		return err == nil
	})
	// The seat that nobody got because the answer came too late is free.
	eventually(t, "a seat", func() bool { _, ok, err := g.Seats().Take(ctx(t), key("late"), 1); return ok && err == nil })
}

// One node of a Cluster hangs: it costs its own keys a timeout each until nobody asks it any more,
// and those of other nodes nothing.
func TestClusterNodePaused(t *testing.T) {
	t.Parallel()
	nodes := startCluster(t, "--cluster-require-full-coverage", "no")
	client := newClient(t, nil, nodes...).(*redis.ClusterClient)
	f := join(t, client, fleet.Config{Timeout: 2 * time.Second})
	nodeOf := func(name string) string {
		c, err := client.MasterForKey(ctx(t), name)
		must(t, err)
		return c.Options().Addr
	}
	stream := nodeOf("wsverdict:{fleet}:ends")
	var gone *node
	for _, n := range nodes {
		if n.addr() != stream {
			gone = n
		}
	}
	var its, others []middleware.Key
	for i := 0; len(its) < 10 || len(others) < 10; i++ {
		k := key(strconv.Itoa(i))
		if nodeOf("wsverdict:rate:"+k.String()) == gone.addr() {
			its = append(its, k)
		} else {
			others = append(others, k)
		}
	}
	take := func(k middleware.Key) error {
		_, err := f.Limiter().Take(ctx(t), k, middleware.PerHour(1e6), 1)
		return err
	}
	for _, k := range append(its, others...) {
		must(t, take(k)) // the scripts are there
	}
	gone.signal(t, syscall.SIGSTOP)
	eventually(t, "nobody asks the node any more", func() bool {
		if err := take(others[0]); errors.Is(err, fleet.ErrUnavailable) {
			t.Fatal("others are not asked any more")
		}
		return errors.Is(take(its[0]), fleet.ErrUnavailable)
	})
	skipped := f.Stats().Skipped
	for i := range 100 {
		if err := take(others[i%len(others)]); errors.Is(err, fleet.ErrUnavailable) {
			t.Fatal("others are not asked any more")
		}
	}
	if s := f.Stats(); !s.Unavailable || s.Skipped != skipped {
		t.Errorf("%+v", s)
	}
	gone.signal(t, syscall.SIGCONT)
	eventually(t, "the node is back", func() bool { return take(its[0]) == nil })
}

// Redis is killed and comes back without its data.
func TestRedisRestarted(t *testing.T) {
	t.Parallel()
	node := startRedis(t)
	client := newClient(t, nil, node)
	f, g := join(t, client, fleet.Config{SeatLease: lease}), join(t, client, fleet.Config{SeatLease: lease})
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
	t.Parallel()
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
	t.Parallel()
	client := newClient(t, nil, startRedis(t))
	f, g := join(t, client, fleet.Config{}), join(t, client, fleet.Config{})
	whole(t, f, g)
	command(t, client, "SCRIPT", "FLUSH")
	whole(t, f, g)
}

func TestTLSAndPassword(t *testing.T) {
	t.Parallel()
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
	t.Parallel()
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
	t.Parallel()
	master, sentinels := startSentinel(t)
	client := newClient(t, func(o *redis.UniversalOptions) { o.MasterName = "main" }, sentinels...)
	f, g := join(t, client, fleet.Config{}), join(t, client, fleet.Config{})
	whole(t, f, g)
	must(t, f.Revoke(ctx(t), banned, time.Hour, user("ada")))
	before := newClient(t, nil, master)
	eventually(t, "the replica has it", func() bool { return command(t, before, "WAIT", 1, 1000) == int64(1) })
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

// Everything that is asked was there in Redis 6.2.
func TestCommandsOfRedis62(t *testing.T) {
	t.Parallel()
	client := newClient(t, nil, startRedis(t))
	whole(t, join(t, client, fleet.Config{TokensAhead: 10}), join(t, client, fleet.Config{}))
	asked := 0
	for line := range strings.Lines(client.Info(ctx(t), "commandstats").Val()) {
		name, ok := strings.CutPrefix(line, "cmdstat_")
		name, _, _ = strings.Cut(name, ":")
		if !ok || strings.HasPrefix(name, "client|") { // go-redis introduces itself
			continue
		}
		docs, err := client.Do(ctx(t), "COMMAND", "DOCS", name).Result()
		if err != nil {
			t.Skip("this Redis does not know since when it has its commands: ", err)
		}
		about, _ := docs.(map[any]any)[name].(map[any]any)
		since, _ := about["since"].(string)
		var major, minor int
		if n, _ := fmt.Sscanf(since, "%d.%d", &major, &minor); n != 2 || major > 6 || major == 6 && minor > 2 {
			t.Errorf("%s is there since %q", name, since)
		}
		asked++
	}
	if asked < 10 {
		t.Errorf("%d commands", asked)
	}
}
