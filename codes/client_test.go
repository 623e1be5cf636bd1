package codes_test

import (
	"io/fs"
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
	depend(t, os.DirFS("client"))
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

// depend reads files that another program tests, so that go test does not take an old result for theirs.
func depend(t *testing.T, files fs.FS) {
	t.Helper()
	err := fs.WalkDir(files, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			if entry != nil && entry.Name() == "node_modules" {
				return fs.SkipDir
			}
			return err
		}
		_, err = fs.ReadFile(files, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
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
