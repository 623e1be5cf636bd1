// Package hooks tests the page's client as React and Svelte programs use it.
package hooks

import (
	"os"
	"os/exec"
	"testing"
)

// TestHooks needs node, and once: npm ci --prefix examples/hooks.
func TestHooks(t *testing.T) {
	_, noNode := exec.LookPath("node")
	_, noPackages := os.Stat("node_modules")
	if noNode != nil || noPackages != nil {
		const missing = "no node, or no packages: npm ci --prefix examples/hooks"
		if os.Getenv("WSVERDICT_REQUIRE_ALL") == "1" {
			t.Fatal(missing + ", and WSVERDICT_REQUIRE_ALL=1 is set")
		}
		t.Skip(missing)
	}
	for _, name := range []string{"react.js", "svelte.js", "hooks.test.js", "package-lock.json"} {
		if _, err := os.ReadFile(name); err != nil { // so that go test does not take an old result for theirs
			t.Fatal(err)
		}
	}
	if out, err := exec.CommandContext(t.Context(), "node", "--test").CombinedOutput(); err != nil {
		t.Errorf("node --test: %v\n%s", err, out)
	}
}
