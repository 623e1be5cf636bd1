package codes_test

import (
	"os"
	"os/exec"
	"testing"
)

// TestClient runs the page's client's own tests: client/test with Node's test runner, and what tsc says of its types. It needs
// node, and once: npm ci --prefix codes/client.
func TestClient(t *testing.T) {
	for _, needed := range []string{"node", "npm"} {
		if _, err := exec.LookPath(needed); err != nil {
			missing(t, "no "+needed+" found")
		}
	}
	if _, err := os.Stat("client/node_modules"); err != nil {
		missing(t, "codes/client/node_modules is not there: npm ci --prefix codes/client")
	}
	for _, args := range [][]string{{"npm", "test", "--silent"}, {"npm", "run", "--silent", "check"}} {
		t.Run(args[len(args)-1], func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
			cmd.Dir = "client"
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v: %v\n%s", args, err, out)
			}
		})
	}
}

// missing skips the test, or fails it where WSVERDICT_REQUIRE_ALL=1 is set.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("WSVERDICT_REQUIRE_ALL") == "1" {
		t.Fatal(what + ", and WSVERDICT_REQUIRE_ALL=1 is set")
	}
	t.Skip(what)
}
