package client

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// Servers that know nothing of this library, but send close codes: the page does what they say. Their lines are those of
// docs/client.md.
func TestOtherServers(t *testing.T) {
	const waits = 30 * time.Second
	servers := []struct {
		name          string
		start         func(t *testing.T) *exec.Cmd
		user, newUser string // who the page is, and who after refresh
		path          string
		code          int
		slug, action  string
		after         int
	}{
		{"FastAPI, not a member", python("uvicorn", "fastapi", "app"), "eve", "", "open closed", 4403, "not_a_member", "stop", 0},
		{"FastAPI, a member", python("uvicorn", "fastapi", "app"), "ada", "", "open closing", 0, "", "", 0},
		{"Django Channels, signed out", python("daphne", "channels", "application"), "", "ada", "open refreshing connecting open closing", 4401, "", "refresh", 0},
		{"ws, too many", node, "eve", "", "open waiting closing", 4429, "rate_limited", "backoff", int(waits / time.Second)},
		{"ws, admitted", node, "ada", "", "open closing", 0, "", "", 0},
	}
	inBrowsers(t, func(t *testing.T, b *browser) {
		for _, tc := range servers {
			t.Run(tc.name, func(t *testing.T) {
				addr := run(t, tc.start(t))
				b.start(t, "elsewhere", map[string]any{"url": "ws://" + addr + "/ws", "user": tc.user, "newUser": tc.newUser})
				var got struct {
					States      []state
					Wait, After float64
				}
				b.await(t, "done", &got)
				if p := path(got.States); !strings.HasPrefix(p, tc.path) {
					t.Fatalf("states %q, want %q", p, tc.path)
				}
				if tc.code == 0 {
					return
				}
				wantOutcome(t, got.States[1:], tc.code, tc.slug, tc.action)
				if tc.after > 0 && (got.After != float64(tc.after) || got.Wait > float64((waits+time.Second)/time.Millisecond)) {
					t.Errorf("it waits %v s, then %v ms; want %d s and up to 1 s more", got.After, got.Wait, tc.after)
				}
			})
		}
	})
}

// python serves an object of servers/…_app.py by Debian's Python, which is the one that Debian's packages are for.
func python(server, library, object string) func(t *testing.T) *exec.Cmd {
	return func(t *testing.T) *exec.Cmd {
		program, err := exec.LookPath("/usr/bin/python3")
		if err == nil {
			err = exec.Command(program, "-c", "import "+server+", "+library).Run()
		}
		if err != nil {
			missing(t, "no "+server+" or no "+library+" for Debian's Python")
		}
		return exec.Command(program, "-m", server, library+"_app:"+object)
	}
}

func node(t *testing.T) *exec.Cmd {
	program, err := exec.LookPath("node")
	if err != nil {
		missing(t, "no node")
	}
	if _, err := os.Stat("servers/node_modules"); err != nil {
		missing(t, "no packages: npm ci --prefix examples/client/servers")
	}
	return exec.Command(program, "ws.js")
}

// run starts a server, which inherits a socket that listens already, and returns the socket's address once
// the server answers there.
func run(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	file, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	defer l.Close()
	var out bytes.Buffer
	cmd.Args = append(cmd.Args, "--fd", "3")
	cmd.Dir, cmd.ExtraFiles, cmd.Stdout, cmd.Stderr = "servers", []*os.File{file}, &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("the server said:\n%s", out.String())
		}
	})
	addr := l.Addr().String()
	conn, _, _, err := ws.Dialer{Timeout: patience}.Dial(t.Context(), "ws://"+addr+"/ws?user=nobody")
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	return addr
}

// missing skips the test, or fails it where WSVERDICT_REQUIRE_ALL=1 is set.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("WSVERDICT_REQUIRE_ALL") == "1" {
		t.Fatal(what + ", and WSVERDICT_REQUIRE_ALL=1 is set")
	}
	t.Skip(what)
}

var snippet = regexp.MustCompile("(?ms)^```(python|js)\n(.*?)^```$")

// What the guide shows of these servers is in the files that were run.
func TestGuideShowsTheServers(t *testing.T) {
	guide, err := os.ReadFile("../../docs/client.md")
	if err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob("servers/*.[jp][sy]")
	if err != nil {
		t.Fatal(err)
	}
	_, recipes, ok := strings.Cut(string(guide), "### Other servers")
	if !ok {
		t.Fatal("the guide has no recipes for other servers")
	}
	shown := map[string]bool{}
	for _, s := range snippet.FindAllStringSubmatch(recipes, -1) {
		for _, name := range names {
			code, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(flat(string(code)), flat(s[2])) {
				shown[name] = true
			}
		}
	}
	for _, name := range names {
		if !shown[name] {
			t.Errorf("the guide shows nothing of %s", name)
		}
	}
}

// flat is code without indentation.
func flat(code string) string {
	return regexp.MustCompile(`(?m)^\s+`).ReplaceAllString(code, "")
}
