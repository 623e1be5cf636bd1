package fleet

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

func newClient(addr string) *redis.Client {
	return redis.NewClient(&redis.Options{Addr: addr, ContextTimeoutEnabled: true, PoolSize: askers})
}

// redisCPU is what Redis has used, in user and kernel.
func redisCPU(addr string) (time.Duration, error) {
	client := newClient(addr)
	defer client.Close()
	info, err := client.Info(context.Background(), "cpu").Result()
	if err != nil {
		return 0, err
	}
	var used time.Duration
	for line := range strings.Lines(info) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		if name == "used_cpu_user" || name == "used_cpu_sys" {
			seconds, err := strconv.ParseFloat(value, 64)
			if err != nil {
				return 0, err
			}
			used += time.Duration(seconds * float64(time.Second))
		}
	}
	return used, nil
}

// A monitor is told of every command that Redis runs.
type monitor struct {
	addr  string
	conn  net.Conn
	lines *bufio.Scanner
}

func watch(addr string) (*monitor, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	conn.SetDeadline(time.Now().Add(patience))
	m := &monitor{addr, conn, bufio.NewScanner(conn)}
	m.lines.Buffer(nil, 1<<20)
	if _, err := conn.Write([]byte("MONITOR\r\n")); err != nil {
		return nil, err
	}
	if !m.lines.Scan() || m.lines.Text() != "+OK" {
		return nil, fmt.Errorf("fleet: MONITOR: %q, %v", m.lines.Text(), m.lines.Err())
	}
	return m, nil
}

const enough = "that was all"

// stop returns how often each command came from a client since [watch]: what a script runs is part of it.
func (m *monitor) stop() (map[string]int, error) {
	defer m.conn.Close()
	client := newClient(m.addr)
	defer client.Close()
	if err := client.Echo(context.Background(), enough).Err(); err != nil {
		return nil, err
	}
	commands := map[string]int{}
	for m.lines.Scan() { // +1700000000.123456 [0 127.0.0.1:50000] "EVALSHA" "…"
		_, line, _ := strings.Cut(m.lines.Text(), " [")
		from, command, _ := strings.Cut(line, `] "`)
		name, rest, _ := strings.Cut(command, `"`)
		if strings.HasSuffix(from, " lua") {
			continue
		}
		if name = strings.ToUpper(name); name == "ECHO" && strings.Contains(rest, enough) {
			return commands, nil
		}
		commands[name]++
	}
	return nil, fmt.Errorf("fleet: MONITOR ended: %v", m.lines.Err())
}
