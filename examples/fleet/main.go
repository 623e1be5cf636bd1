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
	"fmt"
	"log"
	"net"
	"os/signal"
	"syscall"

	"github.com/wsverdict/wsverdict/examples/internal/redisserver"
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
		own, stop, err := redisserver.Start()
		if errors.Is(err, redisserver.ErrMissing) {
			return fmt.Errorf("%w; or say where one is with -redis", err)
		}
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
