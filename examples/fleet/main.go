// Two servers that share nothing but a Redis, and a page with a connection to each: ban a user on
// one, and see the connection to the other close. Its login is for show: keep it local.
//
//	go run ./examples/fleet
package main

import (
	"context"
	"embed"
	"errors"
	"flag"
	"log"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
)

//go:embed index.html fleet.js style.css
var page embed.FS

func main() {
	addr := flag.String("redis", "", "use the Redis at this `address`, instead of a redis-server of our own")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *addr, func(url string) { log.Print("fleet: open ", url) }); err != nil {
		log.Fatal("fleet: ", err)
	}
}

// run serves until ctx ends, and calls ready with the page's address.
func run(ctx context.Context, addr string, ready func(url string)) error {
	if addr == "" {
		own, stop, err := startRedis()
		if err != nil {
			return err
		}
		defer stop()
		addr = own
	}
	var listeners [2]net.Listener
	var addrs [2]string
	for i := range listeners {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer l.Close()
		listeners[i], addrs[i] = l, l.Addr().String()
	}
	for _, l := range listeners {
		s, err := newServer(addr, addrs[:])
		if err != nil {
			return err
		}
		defer s.close()
		go s.serve(l)
	}
	ready("http://" + addrs[0])
	<-ctx.Done()
	return nil
}

// startRedis starts a redis-server that keeps nothing, and ends with this program.
func startRedis() (addr string, stop func(), err error) {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		return "", nil, errors.New("redis-server is not installed (Debian: apt install redis-server); or say where one is with -redis")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	addr = l.Addr().String()
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	dir, err := os.MkdirTemp("", "fleet")
	if err != nil {
		return "", nil, err
	}
	c := exec.Command(path, "--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--dir", dir, "--save", "", "--loglevel", "warning")
	if err := c.Start(); err != nil {
		return "", nil, err
	}
	stop = func() {
		c.Process.Kill()
		c.Wait()
		os.RemoveAll(dir)
	}
	client := redis.NewClient(&redis.Options{Addr: addr, MaxRetries: 100, MinRetryBackoff: 10 * time.Millisecond, MaxRetryBackoff: 50 * time.Millisecond})
	defer client.Close()
	if err := client.Ping(context.Background()).Err(); err != nil {
		stop()
		return "", nil, err
	}
	return addr, stop, nil
}
