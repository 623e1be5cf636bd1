package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"html"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

func TestTakenPort(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	addr := listener.Addr().String()

	var stdout, stderr bytes.Buffer
	cmd := playgroundCommand(t, "-addr", addr)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err == nil || cmd.ProcessState.ExitCode() != 1 {
		t.Errorf("exit code %d (%v), want 1", cmd.ProcessState.ExitCode(), err)
	}
	if stdout.Len() > 0 {
		t.Errorf("stdout: %q", &stdout)
	}
	for _, want := range []string{addr, "taken", "-addr"} {
		if !strings.Contains(stderr.String(), want) {
			t.Errorf("stderr: %q has no %q", &stderr, want)
		}
	}
	if strings.Count(stderr.String(), "\n") != 1 {
		t.Errorf("stderr: %q, want one line", &stderr)
	}
}

func TestBadAddress(t *testing.T) {
	var stderr bytes.Buffer
	if code := run(t.Context(), []string{"-addr", "nonsense"}, io.Discard, &stderr); code != 1 || stderr.Len() == 0 {
		t.Errorf("exit code %d, stderr %q; want 1 and a message", code, &stderr)
	}
	if code := run(t.Context(), []string{"-nonsense"}, io.Discard, io.Discard); code != 2 {
		t.Errorf("exit code %d for an unknown flag, want 2", code)
	}
}

// TestSignals ends the playground while a page is open, and so an event stream that would never end by itself.
func TestSignals(t *testing.T) {
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		t.Run(signal.String(), func(t *testing.T) {
			cmd := playgroundCommand(t, "-addr", "127.0.0.1:0")
			stdout, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			line, err := bufio.NewReader(stdout).ReadString('\n')
			_, rest, ok := strings.Cut(line, "open ")
			url, _, _ := strings.Cut(rest, " ")
			if err != nil || !ok {
				t.Fatalf("it says %q (%v), want where to open it", line, err)
			}
			res, err := http.Get(url + "/events?page=test")
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			events := bufio.NewReader(res.Body)
			if line, err := events.ReadString('\n'); line != "event: ready\n" {
				t.Fatalf("events begin with %q (%v)", line, err)
			}
			first, second := connect(t, url, "/ws/close/rooms/lobby"), connect(t, url, "/ws/second/lobby")
			if err := cmd.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			expectRestart(t, first)
			expectRestart(t, second)
			if _, err := io.ReadAll(events); err != nil {
				t.Errorf("the event stream was cut off: %v", err)
			}
			if err := cmd.Wait(); err != nil {
				t.Errorf("%v, stderr %q; want exit code 0", err, &stderr)
			}
		})
	}
}

// playgroundCommand is the playground as a process of its own.
func playgroundCommand(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute) // for one that hangs
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Env = append(os.Environ(), beMain+"=1")
	return cmd
}

var goodToken = regexp.MustCompile(`"id":"allowed"[^}]*"token":"([^"]+)"`)

// connect opens a live connection, with a token that the page at url holds.
func connect(t *testing.T, url, path string) *websocket.Conn {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	page, err := io.ReadAll(res.Body)
	token := goodToken.FindStringSubmatch(html.UnescapeString(string(page)))
	if err != nil || token == nil {
		t.Fatalf("no token in %q (%v)", page, err)
	}
	dialer := websocket.Dialer{Subprotocols: []string{"echo.v1", "bearer", token[1]}}
	c, _, err := dialer.DialContext(t.Context(), strings.Replace(url, "http", "ws", 1)+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func expectRestart(t *testing.T, c *websocket.Conn) {
	t.Helper()
	_, _, err := c.ReadMessage()
	var closed *websocket.CloseError
	if !errors.As(err, &closed) || closed.Code != 4503 || !strings.HasPrefix(closed.Text, "restart;do=reconnect;after=") {
		t.Errorf("a live connection ended with %v, want 4503 and when to come back", err)
	}
}
