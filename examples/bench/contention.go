package bench

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gobwas/ws"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

// A crowd is one Upgrader's live connections, in memory: what is measured is the bookkeeping, not the network.
type crowd struct {
	up      *upgrade.Upgrader
	handler http.Handler
	users   atomic.Int64
}

var banned = policy.Close(codes.Forbidden, "banned")

func newCrowd() *crowd {
	c := &crowd{up: &upgrade.Upgrader{}}
	c.handler = c.up.Use(policy.Func(func(r *http.Request) policy.Verdict {
		user := r.Header.Get("X-User")
		return policy.Allow().WithTag("user", user).WithTag("room", r.Header.Get("X-Room"))
	}))(c.up.Handler(func(*http.Request) (upgrade.Session, error) { return reads, nil }))
	return c
}

// A door lets connections of one goroutine in, one after the other.
type door struct {
	crowd   *crowd
	writer  *fakeWriter
	request *http.Request
}

func (c *crowd) door(room string) *door {
	return &door{c, newWriter(nil), newRequest("X-User: ", "X-Room: "+room)}
}

// admit has a connection of a new user admitted.
func (d *door) admit() (*standingConn, string) {
	user := strconv.FormatInt(d.crowd.users.Add(1), 10)
	d.request.Header["X-User"][0] = user
	conn := &standingConn{end: make(chan struct{})}
	d.crowd.handler.ServeHTTP(hijackedOnce{d.writer, conn}, d.request)
	return conn, user
}

// admitAndEnd is what is measured: a connection with two tags comes, and is ended by the one that it alone has.
func (d *door) admitAndEnd() {
	conn, user := d.admit()
	if d.crowd.up.End(banned, 0, policy.Tag{Key: "user", Value: user}) != 1 {
		panic("the connection was not found")
	}
	<-conn.end
}

// hijackedOnce is a fakeWriter whose Hijack returns another connection.
type hijackedOnce struct {
	*fakeWriter
	conn net.Conn
}

func (w hijackedOnce) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	_, buf, err := w.fakeWriter.Hijack()
	return w.conn, buf, err
}

// A standingConn is a client that says nothing until it is sent a close frame, which it answers.
type standingConn struct {
	fakeConn
	once sync.Once
	end  chan struct{} // closed when there is something to read
	rest []byte
}

func (c *standingConn) Write(p []byte) (int, error) {
	if p[0] == byte(0x80|ws.OpClose) {
		c.over(clientClose)
	}
	return len(p), nil
}

func (c *standingConn) Read(p []byte) (int, error) {
	<-c.end
	n := copy(p, c.rest)
	if c.rest = c.rest[n:]; n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

func (c *standingConn) Close() error {
	c.over(nil)
	return nil
}

func (c *standingConn) over(rest []byte) {
	c.once.Do(func() {
		c.rest = rest
		close(c.end)
	})
}

func contention() Row {
	row := Row{Name: "contention", Title: "Admitting and ending, by many goroutines at once", Base: "2 goroutines",
		Note: fmt.Sprintf("A connection in memory is admitted with two tags, one of them its own, and ended by that; it has been sent its close frame when the next begins. Time is the wall clock's "+
			"over all of them, on %d cores: it stays flat where nobody waits for another's lock longer than for a core. One lock guards the set of connections, its index by tag and its wheel of timers. "+
			"It is not sharded: over TCP a handshake takes many times what all of this does (see the storms), nearly all of it outside that lock.", runtime.GOMAXPROCS(0))}
	for _, n := range []int{1, 2, 8, 64} {
		name := fmt.Sprintf("%d goroutines", n)
		if n == 1 {
			name = "1 goroutine"
		}
		row.Cases = append(row.Cases, Case{name, func(b *testing.B) { admitAtOnce(b, n) }})
	}
	row.Targets = []Target{{Case: "64 goroutines", Unit: "ns/op", Most: 1.5, Than: "2 goroutines"}}
	return row
}

func admitAtOnce(b *testing.B, goroutines int) {
	c := newCrowd()
	var next atomic.Int64
	var workers sync.WaitGroup
	b.ResetTimer()
	for i := range goroutines {
		d := c.door("room-" + strconv.Itoa(i))
		workers.Go(func() {
			for next.Add(1) <= int64(b.N) {
				d.admitAndEnd()
			}
		})
	}
	workers.Wait()
}

func crowded() Row {
	row := Row{Name: "crowded", Title: "Admitting and ending, among many live connections", Base: "alone", Rounds: 5,
		Note: "The same by one goroutine, while others are connected, all in one room."}
	for _, n := range []int{0, 1000, 10_000, 100_000} {
		name := fmt.Sprintf("among %d", n)
		if n == 0 {
			name = "alone"
		}
		row.Cases = append(row.Cases, Case{name, func(b *testing.B) { admitAmong(b, n) }})
	}
	row.Targets = []Target{{Case: "among 100000", Unit: "ns/op", Most: 1.5, Than: "alone"}}
	return row
}

func admitAmong(b *testing.B, n int) {
	c := newCrowd()
	d := c.door("lobby")
	standing := make([]*standingConn, n)
	for i := range standing {
		standing[i], _ = d.admit()
	}
	for b.Loop() {
		d.admitAndEnd()
	}
	if got := c.up.End(banned, 0, policy.Tag{Key: "room", Value: "lobby"}); n > 0 && got < n {
		b.Fatalf("%d connections were found by their room's tag, want %d", got, n)
	}
	for _, conn := range standing {
		<-conn.end
	}
}
