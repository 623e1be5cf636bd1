package proxies

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// siteName is what the proxies are called. Every name under localhost is this machine (RFC 6761 §6.3), to a browser too.
const siteName = "app.localhost"

// run starts the documented configuration with its addresses, names and files exchanged for those of this test, and with the changes
// given, in front of upstream. It returns the proxy's host and port. A port that somebody else takes in
// between is another attempt.
func (p *proxy) run(t *testing.T, upstream *server, changes ...change) (site string) {
	t.Helper()
	path := p.find(t)
	for range 5 {
		site, log, ok := p.attempt(t, path, upstream, changes)
		if ok {
			return site
		}
		t.Logf("%s did not start:\n%s", p.name, log)
	}
	t.Fatalf("%s does not start", p.name)
	return ""
}

func (p *proxy) find(t *testing.T) string {
	t.Helper()
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/usr/local/sbin") {
		if path, err := exec.LookPath(filepath.Join(dir, p.program)); err == nil {
			return path
		}
	}
	if os.Getenv("WSVERDICT_REQUIRE_ALL") == "1" {
		t.Fatalf("no %s found, and WSVERDICT_REQUIRE_ALL=1 is set", p.program)
	}
	t.Skipf("no %s found", p.program)
	return ""
}

func (p *proxy) attempt(t *testing.T, path string, upstream *server, changes []change) (site, log string, ok bool) {
	t.Helper()
	dir, port := t.TempDir(), freePort(t)
	writeCertificate(t, dir)
	site = net.JoinHostPort(siteName, port)
	text := p.documented(t)
	for _, c := range changes {
		text = c.in(t, text)
	}
	text = expand(text, "app.example.com {", site+" {", "app.example.com", siteName, "/etc/ssl", dir,
		"127.0.0.1:8080", upstream.address, "listen 443", "listen "+port, ":443", ":"+port)
	file := filepath.Join(dir, "config")
	if err := os.WriteFile(file, []byte(p.main(dir, text)), 0o600); err != nil {
		t.Fatal(err)
	}

	var output bytes.Buffer // not to be read before the program has ended
	program := exec.Command(path, p.args(file)...)
	program.Env = append(os.Environ(), "HOME="+dir)
	program.Stdout, program.Stderr = &output, &output
	alone(program)
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = program.Wait()
		close(ended)
	}()
	stop := func() { // nothing of it is worth an orderly end, which Apache and Caddy take their time for
		killAll(program)
		<-ended
	}
	if !upstream.reachable(site, ended) {
		stop()
		return "", output.String(), false
	}
	t.Cleanup(func() {
		stop()
		if t.Failed() {
			t.Logf("%s said:\n%s", p.name, strings.TrimSpace(output.String()))
		}
	})
	return site, "", true
}

// reachable waits until the upstream itself answers behind site, or the program has ended.
func (s *server) reachable(site string, ended <-chan struct{}) bool {
	client := &http.Client{Transport: &http.Transport{DialContext: dialSite, TLSClientConfig: insecure, DisableKeepAlives: true}, Timeout: 5 * time.Second}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	patience := time.After(testTime / 2)
	for {
		if response, err := client.Get("https://" + site + "/ws/name"); err == nil {
			name, _ := io.ReadAll(response.Body)
			response.Body.Close()
			if string(name) == s.address {
				return true
			}
		}
		select {
		case <-tick.C:
		case <-ended:
			return false
		case <-patience:
			return false
		}
	}
}

// freePort is one that was free a moment ago: not every proxy takes a listener that is open already.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return fmt.Sprint(l.Addr().(*net.TCPAddr).Port)
}
