package http2

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A firefox is one headless Firefox for all tests, driven by Marionette: JSON over a socket, each message with its length in front.
type firefox struct {
	mu   sync.Mutex
	conn net.Conn
	in   *bufio.Reader
	id   int
}

var (
	startFirefox = sync.OnceValues(newFirefox)
	stopFirefox  = func() {}
)

// prefs has Marionette take any port, and write it into the profile.
const prefs = `
user_pref("marionette.port", 0);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("browser.aboutwelcome.enabled", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("app.update.enabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("toolkit.telemetry.reportingpolicy.firstRun", false);
`

func newFirefox() (*firefox, error) {
	profile, err := os.MkdirTemp("", "wsverdict-firefox-")
	if err != nil {
		return nil, err
	}
	stopFirefox = func() { os.RemoveAll(profile) }
	if err := os.WriteFile(filepath.Join(profile, "user.js"), []byte(prefs), 0o600); err != nil {
		return nil, err
	}
	cmd := exec.Command(findFirefox(), "--headless", "--no-remote", "--marionette", "--profile", profile)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a browser is many processes
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stopFirefox = func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
		_ = os.RemoveAll(profile)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	port, err := marionettePort(ctx, profile)
	if err != nil {
		return nil, err
	}
	conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		return nil, err
	}
	f := &firefox{conn: conn, in: bufio.NewReader(conn)}
	if _, err := f.receive(); err != nil { // its greeting
		return nil, err
	}
	_, err = f.call("WebDriver:NewSession", map[string]any{"acceptInsecureCerts": true}) // the certificates are the tests' own
	return f, err
}

// marionettePort polls for the file in which Firefox writes the port, when it listens.
func marionettePort(ctx context.Context, profile string) (string, error) {
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		if port, err := os.ReadFile(filepath.Join(profile, "MarionetteActivePort")); err == nil && len(port) > 0 {
			return strings.TrimSpace(string(port)), nil
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return "", fmt.Errorf("firefox does not start: %w", ctx.Err())
		}
	}
}

func findFirefox() string {
	for _, name := range []string{"firefox-esr", "firefox"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

func (f *firefox) receive() (message []byte, err error) {
	size, err := f.in.ReadString(':')
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(strings.TrimSuffix(size, ":"))
	if err != nil {
		return nil, err
	}
	message = make([]byte, n)
	_, err = io.ReadFull(f.in, message)
	return message, err
}

func (f *firefox) call(command string, parameters any) (json.RawMessage, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.id++
	text, err := json.Marshal([]any{0, f.id, command, parameters})
	if err != nil {
		return nil, err
	}
	if err := f.conn.SetDeadline(time.Now().Add(2 * patience)); err != nil {
		return nil, err
	}
	if _, err := fmt.Fprintf(f.conn, "%d:%s", len(text), text); err != nil {
		return nil, err
	}
	text, err = f.receive()
	if err != nil {
		return nil, err
	}
	var answer [4]json.RawMessage // type, id, error, result
	if err := json.Unmarshal(text, &answer); err != nil {
		return nil, err
	}
	if string(answer[2]) != "null" {
		return nil, fmt.Errorf("firefox: %s: %s", command, answer[2])
	}
	return answer[3], nil
}

func (f *firefox) open(t *testing.T, url string) {
	t.Helper()
	if _, err := f.call("WebDriver:Navigate", map[string]any{"url": url}); err != nil {
		t.Fatal(err)
	}
}

func (f *firefox) run(t *testing.T, script string, to any) {
	t.Helper()
	result, err := f.call("WebDriver:ExecuteAsyncScript", map[string]any{
		"script":        `const done = arguments[0]; (async () => {` + script + `})().then((v) => done(JSON.stringify(v)), (e) => done("failed: " + e))`,
		"args":          []any{},
		"scriptTimeout": patience.Milliseconds(),
		"sandbox":       nil,
	})
	if err != nil {
		t.Fatal(err)
	}
	var value struct{ Value string }
	if err := json.Unmarshal(result, &value); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(value.Value), to); err != nil {
		t.Fatalf("%v: %s", err, value.Value)
	}
}
