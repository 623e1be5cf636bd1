// The playground shows, for every kind of refusal, what the server decided, what went over the wire and what a browser's
// script got to know:
//
//	go run ./examples/playground
//
// and open http://127.0.0.1:8080. It needs no network and stores nothing.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is main with what a test wants to choose; it returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("playground", flag.ContinueOnError)
	flags.SetOutput(stderr)
	addr := flags.String("addr", "127.0.0.1:8080", "listen on this `address`")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	}
	listener, err := net.Listen("tcp", *addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		fmt.Fprintf(stderr, "playground: %s is taken by another program; choose another address, for example -addr 127.0.0.1:0\n", *addr)
		return 1
	case err != nil:
		fmt.Fprintf(stderr, "playground: %v\n", err)
		return 1
	}
	fmt.Fprintf(stdout, "playground: open http://%s (Ctrl-C ends it)\n", listener.Addr())
	if err := serve(ctx, listener); err != nil {
		fmt.Fprintf(stderr, "playground: %v\n", err)
		return 1
	}
	return 0
}

// serve runs the playground on listener until ctx is done.
func serve(ctx context.Context, listener net.Listener) error {
	tokens, err := mintTokens(time.Now())
	if err != nil {
		return err
	}
	reports := newHub()
	p := newPlayground(tokens, reports)
	server := &http.Server{
		Handler:           p.routes(),
		ConnContext:       withRecordedConn,
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       time.Minute,
	}
	server.RegisterOnShutdown(reports.close) // event streams never end by themselves

	done := make(chan error, 1)
	go func() { done <- server.Serve(&recordingListener{listener, reports}) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	// Live connections are no business of http.Server's Shutdown. They go first, so that the pages are told.
	grace, cancel := context.WithTimeout(context.Background(), shutdownTime)
	defer cancel()
	closed := p.shutdown(grace)

	// Requests are short: what is still there after a second is a connection that a browser opened in reserve.
	grace, cancel = context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if server.Shutdown(grace) != nil {
		return errors.Join(closed, server.Close())
	}
	return closed
}

// shutdownTime is for all live connections. They are closed in its first half; one that does not answer takes 2 seconds more.
const shutdownTime = 5 * time.Second
