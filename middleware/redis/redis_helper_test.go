package fleet_test

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// A node is a process of Redis.
type node struct {
	port    int
	dir     string
	args    []string
	command *exec.Cmd
	exited  chan struct{}
}

func (n *node) addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(n.port)) }

// startRedis starts a redis-server on a free port, with further arguments as on its command line,
// and ends it after the test.
func startRedis(t testing.TB, args ...string) *node {
	t.Helper()
	program := redisServer(t)
	for range 10 { // the port may be taken by somebody else in between
		n := &node{port: freePort(t), dir: t.TempDir()}
		n.args = append([]string{program, "--port", strconv.Itoa(n.port), "--bind", "127.0.0.1", "--dir", n.dir,
			"--save", "", "--loglevel", "warning"}, args...)
		if n.start(t) {
			t.Cleanup(n.kill)
			return n
		}
	}
	t.Fatal("no redis-server came up")
	return nil
}

// redisServer is the program: another one, such as valkey-server, if the environment names it.
func redisServer(t testing.TB) string {
	t.Helper()
	program := cmp.Or(os.Getenv("WSVERDICT_REDIS_SERVER"), "redis-server")
	if _, err := exec.LookPath(program); err != nil {
		missing(t, program+" is not installed (Debian: apt install redis-server)")
	}
	return program
}

// missing skips a test, or fails it where nothing may be skipped.
func missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("WSVERDICT_REQUIRE_ALL") != "" {
		t.Fatal(what)
	}
	t.Skip(what)
}

func (n *node) start(t testing.TB) bool {
	t.Helper()
	n.command = exec.Command(n.args[0], n.args[1:]...)
	n.command.Stderr = os.Stderr
	n.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := n.command.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	n.exited = exited
	go func(c *exec.Cmd) { c.Wait(); close(exited) }(n.command)
	return n.up()
}

// up waits until the node answers; false if it ended instead.
func (n *node) up() bool {
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for {
		select {
		case <-n.exited:
			return false
		case <-poll.C:
		}
		if conn, err := net.Dial("tcp", n.addr()); err == nil {
			conn.Close()
			return true
		}
	}
}

func (n *node) signal(t testing.TB, s os.Signal) {
	t.Helper()
	if err := n.command.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

func (n *node) kill() {
	n.command.Process.Kill()
	<-n.exited
}

var ports sync.Map // that were given out

// freePort leaves room for a Cluster's bus, which is 10,000 above, and both are below the ports that
// Linux gives to connections and to who asks for any: nobody gets one while its Redis restarts. It
// gives none twice, since tests run at the same time.
func freePort(t testing.TB) int {
	t.Helper()
	for {
		port := 12000 + mathrand.N(10000)
		if _, taken := ports.LoadOrStore(port, true); !taken && free(port) && free(port+10000) {
			return port
		}
	}
}

func free(port int) bool {
	l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", port))
	if err == nil {
		l.Close()
	}
	return err == nil
}

// newClient is a client of the nodes; edit changes its options.
func newClient(t testing.TB, edit func(*redis.UniversalOptions), nodes ...*node) redis.UniversalClient {
	t.Helper()
	o := &redis.UniversalOptions{ContextTimeoutEnabled: true}
	for _, n := range nodes {
		o.Addrs = append(o.Addrs, n.addr())
	}
	if edit != nil {
		edit(o)
	}
	c := redis.NewUniversalClient(o)
	t.Cleanup(func() { c.Close() })
	return c
}

// command runs a command of Redis's, for tests that need one.
func command(t testing.TB, c redis.UniversalClient, args ...any) any {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	answer, err := c.Do(ctx, args...).Result()
	if err != nil {
		t.Fatalf("%v: %v", args, err)
	}
	return answer
}

// startCluster is three masters on loopback.
func startCluster(t testing.TB, args ...string) []*node {
	t.Helper()
	var nodes []*node
	const slots, masters = 16384, 3
	for i := range masters {
		n := startRedis(t, append([]string{"--cluster-enabled", "yes", "--cluster-node-timeout", "15000"}, args...)...)
		one := redis.NewClient(&redis.Options{Addr: n.addr()})
		must(t, one.ClusterAddSlotsRange(ctx(t), slots*i/masters, slots*(i+1)/masters-1).Err())
		must(t, one.Do(ctx(t), "CLUSTER", "SET-CONFIG-EPOCH", i+1).Err())
		if i > 0 {
			must(t, one.ClusterMeet(ctx(t), "127.0.0.1", strconv.Itoa(nodes[0].port)).Err())
		}
		one.Close()
		nodes = append(nodes, n)
	}
	// All of them must know of all slots: a client takes any node's word for who has which.
	for _, n := range nodes {
		one := redis.NewClient(&redis.Options{Addr: n.addr()})
		eventually(t, "the Cluster is whole", func() bool {
			info, _ := one.ClusterInfo(context.Background()).Result()
			return strings.Contains(info, "cluster_state:ok") && strings.Contains(info, fmt.Sprint("cluster_slots_ok:", slots))
		})
		one.Close()
	}
	return nodes
}

// startSentinel watches over a master, which has a replica.
func startSentinel(t testing.TB) (master *node, sentinels []*node) {
	t.Helper()
	master = startRedis(t)
	startRedis(t, "--replicaof", "127.0.0.1", strconv.Itoa(master.port))
	c := newClient(t, nil, master)
	eventually(t, "the replica is there", func() bool { return command(t, c, "WAIT", 1, 1000) == int64(1) })
	for range 3 {
		n := &node{port: freePort(t), dir: t.TempDir()}
		file := filepath.Join(n.dir, "sentinel.conf")
		conf := fmt.Sprintf("port %d\nbind 127.0.0.1\ndir %s\nsentinel monitor main 127.0.0.1 %d 2\n"+
			"sentinel down-after-milliseconds main 3000\nsentinel failover-timeout main 10000\nloglevel warning\n", n.port, n.dir, master.port)
		if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
			t.Fatal(err)
		}
		n.args = []string{redisServer(t), file, "--sentinel"}
		if !n.start(t) {
			t.Fatal("no sentinel came up")
		}
		t.Cleanup(n.kill)
		sentinels = append(sentinels, n)
	}
	s := redis.NewSentinelClient(&redis.Options{Addr: sentinels[0].addr()})
	defer s.Close()
	eventually(t, "the sentinels know each other and the replica", func() bool {
		m, _ := s.Master(context.Background(), "main").Result()
		return m["num-other-sentinels"] == "2" && m["num-slaves"] == "1"
	})
	return master, sentinels
}

// certificate writes one for 127.0.0.1, signed by itself, and its key.
func certificate(t testing.TB) (certFile, keyFile string, client *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{{127, 0, 0, 1}}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, der []byte) (file string, text []byte) {
		file, text = filepath.Join(t.TempDir(), name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return file, text
	}
	roots := x509.NewCertPool()
	certFile, text := write("cert.pem", "CERTIFICATE", der)
	keyFile, _ = write("key.pem", "PRIVATE KEY", secret)
	roots.AppendCertsFromPEM(text)
	return certFile, keyFile, &tls.Config{RootCAs: roots}
}
