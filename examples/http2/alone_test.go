package http2

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"

	"github.com/wsverdict/wsverdict/upgrade"
)

// serverOnly names the variable with which this test binary is a server and nothing else, in a process of its own.
const serverOnly = "WSVERDICT_TEST_SERVER"

// startAlone starts such a server with something in its environment. It tells the version of HTTP of each handshake, a number each.
func startAlone(t *testing.T, env string) (url string, told *json.Decoder) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), serverOnly+"=1", env)
	cmd.Stderr = os.Stderr
	stop, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop.Close(); _ = cmd.Wait() })
	told = json.NewDecoder(out)
	if err := told.Decode(&url); err != nil {
		t.Fatal(err)
	}
	return url, told
}

// serveAlone is that server. It ends with its input. Beside the others' routes it has one that says what memory it takes, and a handler
// of net/http's alone that keeps a stream open.
func serveAlone() {
	tell := json.NewEncoder(os.Stdout)
	up := &upgrade.Upgrader{MaxLingering: 1 << 20, LingerTimeout: time.Hour, PingInterval: -1}
	s := newService(up, upgrade.ObserverFunc(func(e upgrade.Event) {
		if e.Kind == upgrade.Settled {
			_ = tell.Encode(e.ProtoMajor)
		}
	}))
	mux := http.NewServeMux()
	mux.Handle("/", s.Config.Handler)
	mux.HandleFunc("/memory", func(w http.ResponseWriter, _ *http.Request) {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		_ = json.NewEncoder(w).Encode(m.HeapInuse + m.StackInuse)
	})
	mux.HandleFunc("/plain", func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).Flush()
		_, _ = io.Copy(io.Discard, r.Body)
	})
	s.Config.Handler = mux
	s.StartTLS()
	_ = tell.Encode(s.URL)
	_, _ = io.Copy(io.Discard, os.Stdin)
}
