// Package proxies runs the configurations of docs/proxies.md: what the library sends arrives through nginx, HAProxy, Caddy and
// Apache.
package proxies

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wsverdict/wsverdict/examples/internal/chrome"
)

func TestMain(m *testing.M) { os.Exit(chrome.Main(m)) }

const testTime = 2 * time.Minute // for what hangs; nothing should come near it

// A proxy is one that docs/proxies.md has a section about, with a configuration in it.
type proxy struct {
	name    string // the section
	program string

	// main is what stands around the documented part in a configuration of its own. It can be run by anybody.
	main func(dir, documented string) string
	args func(file string) []string

	// rewrite changes the configuration into one that hands the upstream's name on as Host.
	rewrite change
	// idle is the documented line that says how long a connection may be idle, in seconds; no line where none is cut.
	idle change
}

// A change replaces a part of a configuration that must be there.
type change struct{ from, to string }

var all = []proxy{
	{
		name: "nginx", program: "nginx",
		main: func(dir, documented string) string {
			root := ""
			if os.Getuid() == 0 {
				root = "user root;"
			}
			return expand(`DIR ROOT
				daemon off; worker_processes 1; pid DIR/pid; error_log stderr; events {}
				http { access_log off;
					client_body_temp_path DIR/body; proxy_temp_path DIR/proxy; fastcgi_temp_path DIR/fastcgi;
					uwsgi_temp_path DIR/uwsgi; scgi_temp_path DIR/scgi;
				DOCUMENTED }`, "DIR ROOT", root, "DIR", dir, "DOCUMENTED", documented)
		},
		args:    func(file string) []string { return []string{"-e", "stderr", "-c", file} },
		rewrite: change{"proxy_set_header Host $http_host;", ""},
		idle:    change{"proxy_read_timeout 60s;", "proxy_read_timeout 4s;"},
	},
	{
		name: "HAProxy", program: "haproxy",
		main:    func(_, documented string) string { return documented },
		args:    func(file string) []string { return []string{"-db", "-f", file} },
		rewrite: change{"server chat1", "http-request set-header Host 127.0.0.1:8080\n    server chat1"},
		idle:    change{"timeout tunnel 60s", "timeout tunnel 4s"},
	},
	{
		name: "Caddy", program: "caddy",
		main: func(dir, documented string) string {
			return expand("{\n admin off\n auto_https off\n storage file_system DIR\n servers {\n protocols h1 h2\n }\n}\nDOCUMENTED",
				"DIR", dir, "DOCUMENTED", strings.Replace(documented, "{\n", expand("{\n tls DIR/app.crt DIR/app.key\n", "DIR", dir), 1))
		},
		args:    func(file string) []string { return []string{"run", "--adapter", "caddyfile", "--config", file} },
		rewrite: change{"reverse_proxy 127.0.0.1:8080", "reverse_proxy 127.0.0.1:8080 {\n header_up Host {upstream_hostport}\n }"},
	},
	{
		name: "Apache", program: "apache2",
		main: func(dir, documented string) string {
			root := ""
			if os.Getuid() == 0 {
				root = "User www-data\nGroup www-data"
			}
			modules := ""
			for _, name := range []string{"mpm_event", "authz_core", "ssl", "proxy", "proxy_http"} {
				modules += "LoadModule " + name + "_module /usr/lib/apache2/modules/mod_" + name + ".so\n"
			}
			_, port, _ := strings.Cut(documented, "VirtualHost *:")
			port, _, _ = strings.Cut(port, ">")
			return expand(`ServerRoot DIR
				DefaultRuntimeDir DIR
				PidFile DIR/pid
				Mutex file:DIR
				ErrorLog /dev/stderr
				ServerName localhost
				ROOT
				MODULES
				Listen PORT
				DOCUMENTED`, "DIR", dir, "ROOT", root, "MODULES", modules, "PORT", port, "DOCUMENTED", documented)
		},
		args:    func(file string) []string { return []string{"-DFOREGROUND", "-f", file} },
		rewrite: change{"ProxyPreserveHost On", "ProxyPreserveHost Off"},
		idle:    change{"Timeout 60", "Timeout 4"},
	},
}

func expand(text string, pairs ...string) string { return strings.NewReplacer(pairs...).Replace(text) }

// through runs f behind every proxy that is installed.
func through(t *testing.T, f func(t *testing.T, p *proxy)) {
	t.Helper()
	for i := range all {
		p := &all[i]
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			f(t, p)
		})
	}
}

// documented is the configuration in the proxy's section of the guide.
func (p *proxy) documented(t *testing.T) string {
	t.Helper()
	guide, err := os.ReadFile(filepath.Join("..", "..", "docs", "proxies.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(guide), "\n## "+p.name+"\n")
	_, block, _ := strings.Cut(section, "\n```"+strings.ToLower(p.name)+"\n")
	block, _, ok := strings.Cut(block, "\n```\n")
	if !ok {
		t.Fatalf("docs/proxies.md has no configuration for %s", p.name)
	}
	return block + "\n"
}

func (c change) in(t *testing.T, text string) string {
	t.Helper()
	if !strings.Contains(text, c.from) {
		t.Fatalf("no %q in the configuration:\n%s", c.from, text)
	}
	return strings.ReplaceAll(text, c.from, c.to)
}
