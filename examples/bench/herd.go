package bench

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/gobwas/ws"
)

// A herd is thousands of connections. Server and clients are processes of their own, copies of this program: what a server holds in memory
// is then its own, and what its clients hold is not counted.
const herdVariable = "WSVERDICT_BENCH_HERD"

var herdSize = 8000 // fewer where files are, and in tests

// Herd is called first in main: in a copy of the program that was started as one side of a herd it does that side's work and never returns.
func Herd() {
	role := strings.Fields(os.Getenv(herdVariable))
	if len(role) == 0 {
		return
	}
	go func() {
		io.Copy(io.Discard, os.Stdin) // who started us is gone
		os.Exit(1)
	}()
	err := errors.New("bench: unknown role")
	switch n, _ := strconv.Atoi(role[1]); role[0] {
	case "clients":
		err = herdClients(role[2], n, role[3])
	case "server":
		err = scenarios()[strings.Join(role[2:], " ")](n)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
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
	cmd, lines, err := copyOf(fmt.Sprintf("server %d %s", limit(n), scenario))
	if err != nil {
		return nil, err
	}
	figures := map[string]float64{}
	for lines.Scan() {
		var unit string
		var value float64
		if _, err := fmt.Sscan(lines.Text(), &value, &unit); err != nil {
			return nil, fmt.Errorf("%s: %q", scenario, lines.Text())
		}
		figures[unit] = value
	}
	return figures, cmd.Wait()
}

// copyOf starts this program in another role, and returns what it prints.
func copyOf(role string) (*exec.Cmd, *bufio.Scanner, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), herdVariable+"="+role)
	cmd.Stderr = os.Stderr
	if _, err := cmd.StdinPipe(); err != nil { // it ends with ours
		return nil, nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	return cmd, bufio.NewScanner(out), cmd.Start()
}

// herdClients connects n clients to addr, prints "connected", and follows what the server sends: it answers pings and close frames, prints
// "pinged" when each has got a ping, and "closed" with the number of close frames when each connection is gone. how is tcp, tls, or json
// for clients that send a message.
func herdClients(addr string, n int, how string) error {
	limit(n)
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
func startClients(addr string, n int, how string) (*exec.Cmd, *bufio.Scanner, error) {
	cmd, lines, err := copyOf(fmt.Sprintf("clients %d %s %s", n, addr, how))
	if err == nil {
		err = awaitLine(lines, "connected")
	}
	return cmd, lines, err
}

func awaitLine(lines *bufio.Scanner, want string) error {
	if !lines.Scan() || lines.Text() != want {
		return fmt.Errorf("bench: the clients said %q, want %q", lines.Text(), want)
	}
	return nil
}
