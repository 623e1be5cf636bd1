// Package redisserver starts a redis-server that keeps nothing, for examples and measurements.
package redisserver

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// ErrMissing says what to install.
var ErrMissing = errors.New("redis-server is not installed (Debian: apt install redis-server)")

// Start starts one on a free port of the loopback device; stop ends it.
func Start() (addr string, stop func(), err error) {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		return "", nil, ErrMissing
	}
	for range 5 { // somebody else may take its port in between
		if addr, stop, err = start(path); err == nil {
			break
		}
	}
	return addr, stop, err
}

func start(path string) (addr string, stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	addr = l.Addr().String()
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	dir, err := os.MkdirTemp("", "redis")
	if err != nil {
		return "", nil, err
	}
	c := exec.Command(path, "--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--dir", dir, "--save", "", "--loglevel", "warning")
	if err := c.Start(); err != nil {
		os.RemoveAll(dir)
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

// Version is that of the program that Start would start.
func Version() (string, error) {
	out, err := exec.Command("redis-server", "--version").Output()
	if errors.Is(err, exec.ErrNotFound) {
		return "", ErrMissing
	}
	if err != nil {
		return "", err
	}
	found := regexp.MustCompile(`\bv=(\S+)`).FindSubmatch(out)
	if found == nil {
		return "", errors.New("redis-server does not say its version")
	}
	return string(found[1]), nil
}
