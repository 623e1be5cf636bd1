package broadcast

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime/pprof"
	"strings"
	"time"

	"github.com/wsverdict/wsverdict/examples/bench"
	"github.com/wsverdict/wsverdict/examples/bench/internal/process"
)

// sendBuffer is what the kernel holds for a client that does not read, about what it does on a network; on the loopback device it would
// be megabytes.
const sendBuffer = 32 << 10

type listener struct{ net.Listener }

func (l listener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err == nil {
		conn.(*net.TCPConn).SetWriteBuffer(sendBuffer)
	}
	return conn, err
}

// serve is a server's process. It prints its address, and does what it is told: "send" a message to all; "slow", where it tells; "usage"; "collect" (garbage,
// before the usage); "profile FILE", until "profiled".
func serve(args []string, commands <-chan string) error {
	bench.Limit(1 << 20)
	var name string
	if err := json.Unmarshal([]byte(args[0]), &name); err != nil {
		return err
	}
	lib, err := findLibrary(name)
	if err != nil {
		return err
	}
	s := lib.make()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go http.Serve(listener{l}, s.handler)
	fmt.Println(l.Addr())
	var sent uint32
	for command := range commands {
		verb, file, _ := strings.Cut(command, " ")
		switch verb {
		case "send":
			sent++
			if err := s.send(message(sent, time.Now())); err != nil {
				return err
			}
			continue
		case "slow":
			fmt.Println(s.slow())
			continue
		case "collect":
			process.Collect()
		case "profile":
			out, err := os.Create(file)
			if err == nil {
				err = pprof.StartCPUProfile(out)
			}
			if err != nil {
				return err
			}
		case "profiled":
			pprof.StopCPUProfile()
		}
		b, err := json.Marshal(process.Now())
		if err != nil {
			return err
		}
		fmt.Println(string(b))
	}
	return nil
}

// messageSize is every message's, of JSON.
const messageSize = 1 << 10

const messageHead = `{"number":"%010d","at":"%020d","text":"`

// message says its number and when it was sent, where [parse] finds it.
func message(number uint32, at time.Time) []byte {
	m := fmt.Appendf(make([]byte, 0, messageSize), messageHead, number, at.UnixNano())
	for i := len(m); i < messageSize-2; i++ {
		m = append(m, 'a'+byte(i%26))
	}
	return append(m, `"}`...)
}

// parse reads the number and the moment of a message, in nanoseconds since 1970. It is written for thousands of clients on few cores.
func parse(m []byte) (number, at int64, ok bool) {
	const first, second = len(`{"number":"`), len(`{"number":"0123456789","at":"`)
	if len(m) != messageSize || m[0] != '{' || m[len(m)-1] != '}' {
		return 0, 0, false
	}
	return digits(m[first:][:10]), digits(m[second:][:20]), true
}

func digits(b []byte) (n int64) {
	for _, d := range b {
		n = n*10 + int64(d-'0')
	}
	return n
}
