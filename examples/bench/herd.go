package bench

import (
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"testing"

	"github.com/gobwas/ws"

	"github.com/wsverdict/wsverdict/examples/bench/internal/child"
)

// A herd is thousands of connections. Server and clients are processes of their own.
var herdSize = 8000 // fewer where files are, and in tests

// Roles are what copies of this program do for a herd; see package child.
func Roles() map[string]child.Role {
	return map[string]child.Role{
		"herd clients": func(args []string, _ <-chan string) error { return herdClients(args[0], number(args[1]), args[2]) },
		"herd server":  func(args []string, _ <-chan string) error { return scenarios()[args[0]](number(args[1])) },
	}
}

func number(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}

// scenarios are what a server can do with its herd. Each prints its figures, a line for each: value and unit.
func scenarios() map[string]func(n int) error {
	all := map[string]func(n int) error{}
	for _, s := range idlers {
		all["idle "+s.name] = func(n int) error { return idleHerd(s, n) }
	}
	for _, s := range enders {
		all["end "+s.name] = func(n int) error { return endHerd(s, n) }
	}
	return all
}

// herding is the case that runs a scenario once.
func herding(scenario string) func(*testing.B) {
	return func(b *testing.B) {
		for b.Loop() {
			figures, err := runHerd(scenario, herdSize)
			if err != nil {
				b.Fatal(err)
			}
			for unit, value := range figures {
				b.ReportMetric(value, unit)
			}
		}
	}
}

// runHerd runs a scenario in a process of its own and returns its figures.
func runHerd(scenario string, n int) (map[string]float64, error) {
	server, err := child.Start("herd server", scenario, strconv.Itoa(Limit(n)))
	if err != nil {
		return nil, err
	}
	figures := map[string]float64{}
	for {
		line, err := server.Line()
		if err == io.EOF {
			return figures, server.Wait()
		}
		var unit string
		var value float64
		if _, scanErr := fmt.Sscan(line, &value, &unit); err != nil || scanErr != nil {
			server.Kill()
			return nil, fmt.Errorf("%s: %q %v", scenario, line, err)
		}
		figures[unit] = value
	}
}

// herdClients connects n clients to addr, prints "connected", and follows what the server sends: it answers pings and close frames, prints
// "pinged" when each has got a ping, and "closed" with the number of close frames when each connection is gone. how is tcp, tls, or json
// for clients that send a message.
func herdClients(addr string, n int, how string) error {
	Limit(n)
	var connected, pinged, gone sync.WaitGroup
	var mu sync.Mutex
	told := 0
	connected.Add(n)
	pinged.Add(n)
	gone.Add(n)
	for i := range n {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			return err
		}
		if how == "tls" {
			conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true}) // its certificate was made for this
		}
		if err := accepted(conn, "X-Number: "+strconv.Itoa(i)+"\r\n"); err != nil {
			return err
		}
		if how == "json" {
			conn.Write(jsonMessage)
		}
		connected.Done()
		go func() {
			defer gone.Done()
			defer conn.Close()
			first := sync.OnceFunc(pinged.Done)
			code := follow(conn, first)
			first()
			mu.Lock()
			defer mu.Unlock()
			if code != 0 {
				told++
			}
		}()
	}
	connected.Wait()
	fmt.Println("connected")
	go func() {
		pinged.Wait()
		fmt.Println("pinged")
	}()
	gone.Wait()
	fmt.Println("closed", told)
	return nil
}

var (
	pong        = ws.MustCompileFrame(ws.MaskFrame(ws.NewPongFrame(nil)))
	jsonMessage = ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte(`{"type":"say","room":"lobby","text":"hello","to":["alice","bob"],"at":1700000000}`))))
)

// follow answers control frames until the connection ends, and returns the code of the close frame, 0 for none.
func follow(conn net.Conn, pinged func()) int {
	var head [2]byte
	var payload [125]byte
	for {
		if _, err := io.ReadFull(conn, head[:]); err != nil {
			return 0
		}
		body := payload[:min(head[1], 125)]
		if _, err := io.ReadFull(conn, body); err != nil {
			return 0
		}
		switch ws.OpCode(head[0] & 0x0f) {
		case ws.OpPing:
			conn.Write(pong)
			pinged()
		case ws.OpClose:
			conn.Write(clientClose)
			io.Copy(io.Discard, conn) // the server closes first
			return int(binary.BigEndian.Uint16(body))
		}
	}
}

// startClients starts a herd's clients and waits until they are connected.
func startClients(addr string, n int, how string) (*child.Process, error) {
	clients, err := child.Start("herd clients", addr, strconv.Itoa(n), how)
	if err == nil {
		err = clients.Await("connected")
	}
	return clients, err
}
