//go:build unix

package upgrade_test

import (
	"net"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

// connections says for how many connections, with both their ends in this process, there are file
// descriptors.
func connections(t *testing.T, want int) int {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Log("the limit of file descriptors stays:", err)
		syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit)
	}
	n := int(min(uint64(want), (limit.Cur-min(limit.Cur, 200))/2))
	if n < want {
		t.Logf("with %d file descriptors: %d connections instead of %d", limit.Cur, n, want)
	}
	return n
}

// Bound: of 5,000 connections that vanish without a close frame, a third by FIN, a third by RST, a
// third silently while they are being ended, nothing is left: no goroutine, no seat, no tag, and
// less than 2 KB of heap for each.
func TestThousandsVanish(t *testing.T) {
	if testing.Short() {
		t.Skip("thousands of connections")
	}
	n := connections(t, 5000)
	up := &upgrade.Upgrader{PingInterval: time.Second, PingTimeout: time.Hour, LingerTimeout: 500 * time.Millisecond, SeatTimeout: time.Minute}
	seat := &stool{}
	brings := policy.Func(func(*http.Request) policy.Verdict {
		return expiring("a", time.Hour).WithSeat(seat).WithTag("room", "1").WithTag("user", "alice")
	})
	addr := newServer(t, up.Use(brings)(up.Handler(run(listen))))
	eventually(t, "earlier tests' goroutines are gone", func() bool { return len(stacks("upgrade.(*")) == 0 })
	base := heap()

	conns := make([]net.Conn, n)
	var dialers sync.WaitGroup
	for worker := range 8 {
		dialers.Go(func() {
			for i := worker; i < n; i += 8 {
				conns[i] = arrive(t, addr)
			}
		})
	}
	dialers.Wait()
	if t.Failed() {
		return
	}
	if s := up.Stats(); s.Live != n || s.Seats != n {
		t.Errorf("%d live, %d seats, want %d", s.Live, s.Seats, n)
	}
	for i, c := range conns {
		switch i % 3 {
		case 1:
			c.(*net.TCPConn).SetLinger(0)
			fallthrough
		case 0:
			c.Close()
		}
	}
	left := n / 3
	eventually(t, "who said FIN or RST is gone", func() bool { return up.Stats().Live <= left })
	if ended := up.End(banned, 300*time.Millisecond, room("1"), user("alice")); ended > left {
		t.Errorf("End found %d", ended)
	}
	wantShutdown(t, up)
	for _, c := range conns {
		c.Close()
	}
	if taken, given := seat.taken.Load(), seat.given.Load(); int(taken) != n || taken != given {
		t.Errorf("%d seats taken, %d given back", taken, given)
	}
	if ended := up.End(banned, 0, room("1")); ended != 0 {
		t.Errorf("%d are still tagged", ended)
	}
	eventually(t, "no goroutine is left", func() bool { return len(stacks("upgrade.(*")) == 0 })
	clear(conns)
	eventually(t, "the memory is given back", func() bool { return heap() < base+uint64(n)*2048 })
}

// arrive is a client's handshake with little memory of its own.
func arrive(t *testing.T, addr string) net.Conn {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Error(err)
		return nil
	}
	c.SetDeadline(time.Now().Add(4 * patience))
	if _, err := c.Write([]byte(request())); err != nil {
		t.Error(err)
	}
	var answer [512]byte
	if n, err := c.Read(answer[:]); err != nil || string(answer[9:12]) != "101" {
		t.Errorf("got %q, %v", answer[:n], err)
	}
	return c
}
