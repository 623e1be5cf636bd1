package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/gobwas/ws"

	"github.com/wsverdict/wsverdict/upgrade/upgradetest"
)

// maxLines is what this application may take, without its tests and its fixture for development.
const maxLines = 400

func TestLines(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") || name == "development.go" {
			continue
		}
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		total += strings.Count(string(source), "\n")
	}
	if total == 0 || total > maxLines {
		t.Errorf("%d lines of Go, at most %d are wanted", total, maxLines)
	}
}

// A server is the whole as a process, with its own issuer.
type server struct {
	cmd                   *exec.Cmd
	addr, metrics, apiKey string
	log                   chan string  // all that it wrote, once it has ended
	traces                bytes.Buffer // likewise
}

var (
	announced = regexp.MustCompile(`open http://(\S+), or see its metrics at (http://\S+)`)
	keyed     = regexp.MustCompile(`X-Api-Key: (\w+)`)
)

func start(t *testing.T, env ...string) *server {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s := &server{cmd: exec.Command(self, "-addr", "127.0.0.1:0", "-ops", "127.0.0.1:0", "-traces"), log: make(chan string, 1)}
	s.cmd.Env = append(append(os.Environ(), beMain+"=1"), env...)
	s.cmd.Stdout = &s.traces
	stderr, err := s.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if s.cmd.ProcessState == nil {
			s.end(t, os.Kill)
		}
	})
	out := bufio.NewReader(stderr)
	first, _ := out.ReadString('\n')
	second, _ := out.ReadString('\n')
	go func() {
		rest, _ := io.ReadAll(out)
		s.log <- first + second + string(rest)
	}()
	where, key := announced.FindStringSubmatch(first), keyed.FindStringSubmatch(second)
	if where == nil || key == nil {
		t.Fatalf("it says %q and %q, want where to open it and an API key", first, second)
	}
	s.addr, s.metrics, s.apiKey = where[1], where[2], key[1]
	return s
}

// end sends a signal and waits for the process to end.
func (s *server) end(t *testing.T, signal os.Signal) (log string, err error) {
	t.Helper()
	if err := s.cmd.Process.Signal(signal); err != nil {
		t.Error(err)
	}
	return s.wait(t)
}

func (s *server) wait(t *testing.T) (log string, err error) {
	t.Helper()
	log = <-s.log
	err = s.cmd.Wait()
	if strings.Contains(log, "DATA RACE") || strings.Contains(log, "panic") {
		t.Errorf("the server wrote:\n%s", log)
	}
	return log, err
}

// call makes a request, and wants a 200.
func (s *server) call(t *testing.T, method, url, body string, fields ...string) string {
	t.Helper()
	if strings.HasPrefix(url, "/") {
		url = "http://" + s.addr + url
	}
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(fields); i += 2 {
		r.Header.Set(fields[i], fields[i+1])
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %d %q (%v)", method, url, res.StatusCode, got, err)
	}
	return string(got)
}

func (s *server) signIn(t *testing.T, who string) (token string) {
	t.Helper()
	return s.call(t, "POST", "/dev/sign-in/"+who, "")
}

// TestWhole is a day of the application: keys from the issuer, real sockets, metrics, and a good end.
func TestWhole(t *testing.T) {
	s := start(t)
	admin := []string{"Authorization", "Bearer " + s.signIn(t, "acme/ada")}
	dial := func(fields ...string) *upgradetest.Client {
		c := upgradetest.Handshake(t, s.addr, "/t/acme/ws", upgradetest.Header(append(fields, "Origin", "http://"+s.addr)...))
		c.Pongs = true
		return c
	}
	bob := dial("Sec-WebSocket-Protocol", "dashboard.v1, bearer, "+s.signIn(t, "acme/bob"))
	hears(t, bob, `{"type":"welcome","user":"bob"`)
	joe := dial("Cookie", "session="+s.signIn(t, "acme/joe"))
	hears(t, joe, `{"type":"welcome","user":"joe"`)
	service := dial("X-Api-Key", s.apiKey)
	hears(t, service, `{"type":"welcome","user":"shop"`)
	eve := dial("Cookie", "session="+s.signIn(t, "globex/eve"))
	eve.WantClose(4403, "wrong_tenant;do=stop")
	eve.Bye()

	s.call(t, "PUT", "/t/acme/figures/orders", "42", "X-Api-Key", s.apiKey)
	until(t, bob, `{"type":"figures","figures":{"orders":42}}`)
	bob.SendText(`{"type":"note","text":"hello"}`)
	until(t, joe, `{"type":"note","user":"bob","text":"hello"}`)

	for _, want := range []string{
		"wsverdict_connections 3\n",
		`wsverdict_handshakes_total{code="4403",outcome="closed",policy="tenant",slug="wrong_tenant",why=""} 1`,
	} {
		upgradetest.Eventually(t, want, func() bool { return strings.Contains(s.call(t, "GET", s.metrics, ""), want) })
	}

	s.call(t, "POST", "/admin/bans/joe", "", admin...)
	for joe.Frame().Header.OpCode != ws.OpClose { // figures go on until then
	}
	// They answer the close frame at once, as browsers do.
	told := make(chan string)
	for _, c := range []*upgradetest.Client{bob, service} {
		go func() {
			f, err := upgradetest.ReadFrame(c.In)
			for err == nil && f.Header.OpCode != ws.OpClose {
				f, err = upgradetest.ReadFrame(c.In)
			}
			ws.WriteFrame(c, ws.MaskFrame(f))
			told <- fmt.Sprintf("%s (%v)", f.Payload[min(2, len(f.Payload)):], err)
		}()
	}
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if reason := <-told; !strings.HasPrefix(reason, "restart;do=reconnect;after=") {
			t.Errorf("a client was told %q", reason)
		}
	}
	if log, err := s.wait(t); err != nil || !strings.Contains(log, "connections and requests ended (<nil>)") {
		t.Errorf("it ended with %v, and wrote\n%s", err, log)
	}
	for _, want := range []string{`"websocket handshake /t/{tenant}/ws"`, `"websocket session /t/{tenant}/ws"`, `"wrong_tenant"`, `"POST /admin/bans/{user}"`} {
		if !strings.Contains(s.traces.String(), want) {
			t.Errorf("the traces lack %s", want)
		}
	}
}

// until reads on until an event comes.
func until(t *testing.T, c *upgradetest.Client, want string) {
	t.Helper()
	for {
		if got := string(c.Frame().Payload); got == want {
			return
		}
	}
}
