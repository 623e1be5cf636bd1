package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/middleware"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

// The page's client runs where a WebSocket is, and not only in a browser. A failed handshake ends in
// a way of its own in each: Node 22 fires no close event, and Deno's has the code 0.
func TestRuntimes(t *testing.T) {
	type result struct {
		Heard   []string
		Code    int
		Slug    string
		Action  string
		Refused *bool
	}
	yes, no := true, false
	want := map[string]result{
		"admitted":  {[]string{"queued", "1,2,3"}, 4403, "kicked", "stop", &no},
		"refreshed": {[]string{"new"}, 1000, "", "stop", &no},
		"refused":   {[]string{}, 4403, "banned", "stop", &yes},
		"rejected":  {[]string{"1006", "1006"}, 4403, "hidden", "stop", &yes},
	}
	server := runtimeSite()
	defer server.Close()
	for _, tc := range []struct {
		name, program string
		args          []string
	}{
		{"Node 22", "node-linux-*/bin/node", nil},
		{"Deno", "@deno/*/deno", []string{"run", "--no-prompt", "--allow-all"}},
		{"Bun", "@oven/*/bin/bun", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			found, err := filepath.Glob("runtimes/node_modules/" + tc.program)
			if err != nil {
				t.Fatal(err)
			}
			if len(found) == 0 {
				missing(t, "no "+tc.name+": npm ci --prefix examples/client/runtimes")
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			program, err := filepath.Abs(found[0])
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(ctx, program, append(tc.args, "meet.js", strings.Replace(server.URL, "http", "ws", 1))...)
			var stderr strings.Builder
			cmd.Dir, cmd.Stderr = "runtimes", &stderr
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("%v (%v)\n%s\n%s", err, ctx.Err(), out, &stderr)
			}
			var got map[string]result
			if err := json.Unmarshal(out, &got); err != nil {
				t.Fatalf("%v in %s", err, out)
			}
			for name, want := range want {
				if !reflect.DeepEqual(got[name], want) {
					t.Errorf("%s: %s\nwant %+v", name, out, want)
				}
			}
		})
	}
}

// runtimeSite admits, refuses and rejects, each at a path of its own.
func runtimeSite() *httptest.Server {
	up := &upgrade.Upgrader{Subprotocols: []string{"chat.v1", "bearer"}}
	ws := middleware.For(up)
	denied := func(v policy.Verdict) func(http.Handler) http.Handler {
		return ws.Use(policy.Func(func(*http.Request) policy.Verdict { return v }))
	}
	echo := up.Handler(func(*http.Request) (upgrade.Session, error) {
		return func(ctx context.Context, c *upgrade.Conn) error {
			for {
				typ, message, err := c.Read(ctx, nil)
				if err != nil {
					return err
				}
				if string(message) == "end" {
					return policy.Close(codes.Forbidden, "kicked")
				}
				if err := c.Write(ctx, typ, message); err != nil {
					return err
				}
			}
		}, nil
	})
	r := chi.NewRouter()
	r.Handle("/echo", echo)
	r.With(ws.Use(policy.Func(func(r *http.Request) policy.Verdict {
		if strings.Contains(r.Header.Get("Sec-WebSocket-Protocol"), "old") {
			return policy.Close(codes.Unauthorized, "token_expired")
		}
		return policy.Allow()
	}))).Handle("/token", echo)
	r.With(denied(policy.Close(codes.Forbidden, "banned"))).Handle("/banned", echo)
	r.With(denied(policy.Reject(codes.Forbidden, "hidden"))).Handle("/hidden", echo)
	return httptest.NewServer(r)
}
