package promupgrade_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/wsverdict/wsverdict/upgrade/upgradetest"
)

// TestDashboardOnPrometheus has a real Prometheus scrape a server under some load, and wants a value for
// every expression of the dashboard.
func TestDashboardOnPrometheus(t *testing.T) {
	addr, _ := server(t)
	ask := startPrometheus(t, addr)
	grafana := strings.NewReplacer("$__rate_interval", "1m", "$job", ".*", "$instance", ".*")
	for _, p := range panels(t) {
		for _, target := range p.Targets {
			upgradetest.Eventually(t, p.Title, func() bool {
				for _, query := range []string{"allow", "token_expired", "reject", "panic"} {
					visit(t, addr, query)
				}
				values := ask(grafana.Replace(target.Expr))
				for _, v := range values {
					if v == "NaN" { // a quantile of nothing
						return false
					}
				}
				return len(values) > 0
			})
		}
	}
}

// startPrometheus returns what evaluates an expression now.
func startPrometheus(t *testing.T, scraped string) (ask func(expr string) (values []string)) {
	t.Helper()
	program, err := exec.LookPath("prometheus")
	if err != nil {
		if os.Getenv("WSVERDICT_REQUIRE_ALL") != "" {
			t.Fatal("no prometheus, and WSVERDICT_REQUIRE_ALL is set")
		}
		t.Skip("no prometheus is installed")
	}
	dir := t.TempDir()
	config := filepath.Join(dir, "prometheus.yml")
	text := fmt.Sprintf("scrape_configs:\n- job_name: test\n  scrape_interval: 1s\n  scrape_timeout: 1s\n  static_configs:\n  - targets: [%q]\n", scraped)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, "--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address=127.0.0.1:0")
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	listening := make(chan string, 1)
	read := make(chan struct{})
	go func() {
		defer close(read)
		address := regexp.MustCompile(`msg="Listening on" .*address=(\S+)`)
		for lines := bufio.NewScanner(log); lines.Scan(); {
			if found := address.FindStringSubmatch(lines.Text()); found != nil {
				listening <- found[1]
			}
		}
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-read
		cmd.Wait()
	})
	var base string
	select {
	case base = <-listening:
	case <-read:
		t.Fatal("prometheus ended before it listened")
	}
	return func(expr string) (values []string) {
		res, err := http.PostForm("http://"+base+"/api/v1/query", url.Values{"query": {expr}})
		if err != nil {
			return nil // it is not ready yet
		}
		defer res.Body.Close()
		var answer struct {
			Status, Error string
			Data          struct{ Result []struct{ Value [2]any } }
		}
		if err := json.NewDecoder(res.Body).Decode(&answer); err != nil || answer.Status != "success" {
			if res.StatusCode == http.StatusServiceUnavailable {
				return nil
			}
			t.Fatalf("%s: %s %v %s", expr, res.Status, err, answer.Error)
		}
		for _, r := range answer.Data.Result {
			values = append(values, r.Value[1].(string))
		}
		return values
	}
}
