package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/wsverdict/wsverdict/examples/internal/chrome"
)

const (
	beMain    = "WSVERDICT_CHAT_MAIN"    // in the environment, it makes the test binary the chat server itself
	bePatient = "WSVERDICT_CHAT_PATIENT" // so that no client that does not read is ever cut off
	testTime  = 2 * time.Minute          // for what hangs; nothing should come near it
)

func TestMain(m *testing.M) {
	if os.Getenv(beMain) != "" {
		if os.Getenv(bePatient) != "" {
			up.WriteTimeout, up.PingInterval = time.Hour, -1
		}
		main()
		os.Exit(0)
	}
	os.Exit(chrome.Main(m))
}

// chatCommand is the server as a process of its own.
func chatCommand(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*testTime)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Env = append(os.Environ(), beMain+"=1")
	return cmd
}

// A server is a running process.
type server struct {
	cmd            *exec.Cmd
	addr, password string
	log            chan string // all that it wrote, once it has ended
}

var announced = regexp.MustCompile(`open http://(\S+), .* http://admin:(\w+)@`)

func start(t *testing.T, env ...string) *server {
	t.Helper()
	s := &server{cmd: chatCommand(t, "-addr", "127.0.0.1:0"), log: make(chan string, 1)}
	s.cmd.Env = append(s.cmd.Env, env...)
	stderr, err := s.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	out := bufio.NewReader(stderr)
	first, err := out.ReadString('\n')
	found := announced.FindStringSubmatch(first)
	if found == nil {
		t.Fatalf("it says %q (%v), want where to open it", first, err)
	}
	s.addr, s.password = found[1], found[2]
	go func() {
		rest, _ := io.ReadAll(out)
		s.log <- first + string(rest)
	}()
	t.Cleanup(func() {
		if s.cmd.ProcessState == nil {
			s.end(t, os.Kill)
		}
	})
	return s
}

// end sends a signal and waits for the process to end.
func (s *server) end(t *testing.T, signal os.Signal) (log string, err error) {
	t.Helper()
	if err := s.cmd.Process.Signal(signal); err != nil {
		t.Error(err)
	}
	log = <-s.log
	err = s.cmd.Wait()
	if strings.Contains(log, "DATA RACE") || strings.Contains(log, "panic") {
		t.Errorf("the server wrote:\n%s", log)
	}
	return log, err
}

// call makes a request, as the admin if wanted, and returns status and body.
func (s *server) call(t *testing.T, method, path, password string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.addr+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if password != "" {
		req.SetBasicAuth("admin", password)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

func (s *server) admin(t *testing.T, method, path string) {
	t.Helper()
	if status, body := s.call(t, method, path, s.password); status != http.StatusOK {
		t.Fatalf("%s %s: %d %s", method, path, status, body)
	}
}

func (s *server) login(t *testing.T, user string) (token string) {
	t.Helper()
	status, token := s.call(t, http.MethodPost, "/login/"+user, "")
	if status != http.StatusOK {
		t.Fatalf("login: %d %s", status, token)
	}
	return token
}

// A member is a client in a room.
type member struct{ *websocket.Conn }

func (s *server) join(t *testing.T, user, room string) member {
	t.Helper()
	dialer := websocket.Dialer{Subprotocols: []string{"chat.v1", "bearer", s.login(t, user)}}
	c, _, err := dialer.DialContext(t.Context(), "ws://"+s.addr+"/rooms/"+room, http.Header{"Origin": {"http://" + s.addr}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetReadDeadline(time.Now().Add(testTime))
	return member{c}
}

func (m member) say(t *testing.T, text string) {
	t.Helper()
	if err := m.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

func (m member) hears(t *testing.T, want string) {
	t.Helper()
	if _, text, err := m.ReadMessage(); err != nil || string(text) != want {
		t.Fatalf("heard %q (%v), want %q", text, err, want)
	}
}

// closed reads to the end.
func (m member) closed(t *testing.T) (code int, reason string) {
	t.Helper()
	for {
		_, _, err := m.ReadMessage()
		var closed *websocket.CloseError
		switch {
		case errors.As(err, &closed):
			return closed.Code, closed.Text
		case err != nil:
			t.Fatal(err)
		}
	}
}

// closes expects a code and the beginning of a reason.
func (m member) closes(t *testing.T, code int, reason string) {
	t.Helper()
	if got, text := m.closed(t); got != code || !strings.HasPrefix(text, reason) {
		t.Errorf("closed with %d %q, want %d %q", got, text, code, reason)
	}
}
