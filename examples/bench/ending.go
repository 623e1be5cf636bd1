package bench

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

// An ender ends a herd's connections.
type ender struct {
	name string
	make func() (h http.Handler, end func() error)
}

var closingFrame = ws.MustCompileFrame(ws.NewCloseFrame(ws.NewCloseFrameBody(closeCode, closeReason)))

const shutdownDeadline = 4 * time.Second

var enders = []ender{
	{"close frames written in a loop", func() (http.Handler, func() error) {
		var mu sync.Mutex
		var conns []net.Conn
		static := staticAnswer(nil)
		static = static[:len(static)-len(closingFrame)]
		h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, conn)
			mu.Unlock()
			conn.Write(static)
			go func() { // until the client's close frame
				defer conn.Close()
				conn.Read(make([]byte, 128))
			}()
		})
		return h, func() error {
			for _, conn := range conns {
				if _, err := conn.Write(closingFrame); err != nil {
					return err
				}
			}
			return nil
		}
	}},
	{"wsverdict, End by tag", func() (http.Handler, func() error) {
		h, up := inOneRoom()
		return h, func() error {
			up.End(policy.Close(codes.Unauthorized, "token_expired"), 0, policy.Tag{Key: "room", Value: "lobby"})
			return nil
		}
	}},
	{"wsverdict, Shutdown", func() (http.Handler, func() error) {
		h, up := inOneRoom()
		return h, func() error {
			ctx, cancel := context.WithTimeout(context.Background(), shutdownDeadline)
			defer cancel()
			return up.Shutdown(ctx)
		}
	}},
}

func inOneRoom() (http.Handler, *upgrade.Upgrader) {
	up := &upgrade.Upgrader{}
	member := policy.Allow().WithTag("room", "lobby")
	return up.Use(policy.Func(func(*http.Request) policy.Verdict { return member }))(
		up.Handler(func(*http.Request) (upgrade.Session, error) { return reads, nil })), up
}

func ending() Row {
	return Row{Name: "ending", Title: "Ending thousands of connections by their tag", Base: enders[0].name, Metric: "ms", Columns: []string{"ms", "ms-until-gone", "told"}, Rounds: 7,
		Note: fmt.Sprintf("%d connections over loopback, a session or a goroutine reading each, the clients in another process. ms is until the kernel has the last close "+
			"frame, ms-until-gone until every client has answered with its own and the connection is closed, told is how many clients got a close frame. "+
			"The loop writes the same compiled frame to hijacked connections one after the other, and would stop at the first client that does not read.", Limit(herdSize)),
		Targets: []Target{{Case: enders[1].name, Unit: "ms", Most: 2, Than: enders[0].name}},
		Cases:   []Case{{enders[0].name, herding("end " + enders[0].name)}, {enders[1].name, herding("end " + enders[1].name)}},
	}
}

func shutdown() Row {
	return Row{Name: "shutdown", Title: "Shutdown of thousands of connections", Base: enders[2].name, Metric: "ms-until-gone", Columns: []string{"ms-until-gone", "told"}, Rounds: 1,
		Note: fmt.Sprintf("The same %d connections, and a deadline of %v, over half of which Shutdown spreads their ends. It has returned nil.",
			Limit(herdSize), shutdownDeadline),
		Targets: []Target{{Case: enders[2].name, Unit: "ms-until-gone", Most: float64(shutdownDeadline.Milliseconds())}},
		Cases:   []Case{{enders[2].name, herding("end " + enders[2].name)}},
	}
}

func endHerd(s ender, n int) error {
	Limit(n)
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	h, end := s.make()
	l := &closeCounter{Listener: tcp, want: int64(n), done: make(chan time.Time, 1)}
	server := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second}
	go server.Serve(l)
	clients, err := startClients(tcp.Addr().String(), n, "tcp")
	if err != nil {
		return err
	}
	inUse() // no collection of what the handshakes left in the timed part
	begun := time.Now()
	if err := end(); err != nil {
		return err
	}
	line := "pinged"
	for line == "pinged" {
		if line, err = clients.Line(); err != nil {
			return err
		}
	}
	gone := time.Since(begun)
	told := 0
	if _, err := fmt.Sscanf(line, "closed %d", &told); err != nil {
		return fmt.Errorf("%s: the clients said %q", s.name, line)
	}
	fmt.Println((<-l.done).Sub(begun).Seconds()*1000, "ms")
	fmt.Println(gone.Seconds()*1000, "ms-until-gone")
	fmt.Println(told, "told")
	return clients.Wait()
}

// A closeCounter tells when the wanted number of close frames has been written.
type closeCounter struct {
	net.Listener
	want, have int64
	done       chan time.Time
}

type countedConn struct {
	*net.TCPConn
	l *closeCounter
}

func (l *closeCounter) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return countedConn{conn.(*net.TCPConn), l}, nil
}

func (c countedConn) Write(p []byte) (int, error) {
	n, err := c.TCPConn.Write(p)
	if bytes.HasPrefix(p, closingFrame[:1]) && atomic.AddInt64(&c.l.have, 1) == c.l.want {
		c.l.done <- time.Now()
	}
	return n, err
}
