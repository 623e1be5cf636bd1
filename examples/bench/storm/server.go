package storm

import (
	"context"
	"encoding/json"
	"errors"
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

// An order is what a server is started with.
type order struct {
	Library     string
	Alg         string
	Verifies    []byte // a key: see [verifier]
	Addr        string // "" for any port
	Maintenance bool
	Spent       bool // the rate limit allows one handshake an hour
}

// A library is a server, as people build it.
type library struct {
	name  string
	dials dialect
	make  func(c checks) (server, error)
}

// checks are what every server checks.
type checks struct {
	alg         string
	key         any
	maintenance bool
	requests    int // per hour and address
}

// A server is a handler and how it shuts down before its process ends, nil for not at all.
type server struct {
	handler  http.Handler
	shutdown func(ctx context.Context)
}

const (
	closeWait    = 2 * time.Second // for a client's close frame, where the server says how long
	shutdownTime = 4 * time.Second // from the wish to end to the end of the process
	forbidden    = http.StatusForbidden
)

func findLibrary(name string) (library, error) {
	for _, l := range append(libraries, remembering) {
		if l.name == name {
			return l, nil
		}
	}
	return library{}, fmt.Errorf("storm: no library %q", name)
}

// A usage is what a server's process has used and holds.
type usage = process.Usage

// serve is a server's process. It prints its address, and does what it is told: "usage", "collect" (garbage, before the usage),
// "profile FILE" and "profiled", "shutdown".
func serve(args []string, commands <-chan string) error {
	var o order
	if err := json.Unmarshal([]byte(args[0]), &o); err != nil {
		return err
	}
	bench.Limit(1 << 20)
	key, err := verifier(o.Alg, o.Verifies)
	if err != nil {
		return err
	}
	lib, err := findLibrary(o.Library)
	if err != nil {
		return err
	}
	c := checks{alg: o.Alg, key: key, maintenance: o.Maintenance, requests: 1e9}
	if o.Spent {
		c.requests = 1
	}
	s, err := lib.make(c)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", orAnyPort(o.Addr))
	for end := time.Now().Add(clientPatience); err != nil && time.Now().Before(end); l, err = net.Listen("tcp", orAnyPort(o.Addr)) {
		time.Sleep(50 * time.Millisecond) // the port may be that of somebody's outgoing connection, since the old process ended
	}
	if err != nil {
		return err
	}
	web := &http.Server{Handler: s.handler, ReadHeaderTimeout: 10 * time.Second}
	go web.Serve(l)
	fmt.Println(l.Addr())
	for command := range commands {
		verb, file, _ := strings.Cut(command, " ")
		switch verb {
		case "usage":
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
		case "shutdown":
			ctx, cancel := context.WithTimeout(context.Background(), shutdownTime)
			defer cancel()
			l.Close() // who comes now finds nobody, not an answer
			if s.shutdown != nil {
				s.shutdown(ctx)
			}
			web.Shutdown(ctx)
			return nil
		default:
			return errors.New("storm: unknown command " + command)
		}
		b, err := json.Marshal(process.Now())
		if err != nil {
			return err
		}
		fmt.Println(string(b))
	}
	return nil
}

func orAnyPort(addr string) string {
	if addr == "" {
		return "127.0.0.1:0"
	}
	return addr
}
