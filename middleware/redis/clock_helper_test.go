package fleet_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// withWrongClock builds this test anew, with a standard library whose time.Now can be wrong: the
// wall clock alone, as where a system's clock is. It returns the program.
func withWrongClock(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		missing(t, "the go command is not installed")
	}
	dir := t.TempDir()
	overlay := map[string]string{}
	replace := func(original, text string) {
		file := filepath.Join(dir, filepath.Base(original))
		must(t, os.WriteFile(file, []byte(text), 0o644))
		overlay[original] = file
	}

	root, err := exec.Command("go", "env", "GOROOT").Output()
	must(t, err)
	timeGo := filepath.Join(strings.TrimSpace(string(root)), "src", "time", "time.go")
	text, err := os.ReadFile(timeGo)
	must(t, err)
	patched := string(text)
	for _, edit := range [][2]string{
		{"import (\n", "import (\n\t\"sync/atomic\"\n"},
		{"func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n", "var WrongSeconds atomic.Int64\n\nfunc Now() Time {\n\tsec, nsec, mono := runtimeNow()\n\tsec += WrongSeconds.Load()\n"},
	} {
		if strings.Count(patched, edit[0]) != 1 {
			missing(t, fmt.Sprintf("this Go's %s is another one: where is %q?", timeGo, edit[0]))
		}
		patched = strings.Replace(patched, edit[0], edit[1], 1)
	}
	replace(timeGo, patched)
	here, err := os.Getwd()
	must(t, err)
	replace(filepath.Join(here, "clock_overlay_test.go"), `package fleet_test

import "time"

func init() { setClock = func(wrong time.Duration) { time.WrongSeconds.Store(int64(wrong / time.Second)) } }
`)

	list, err := json.Marshal(map[string]any{"Replace": overlay})
	must(t, err)
	file, program := filepath.Join(dir, "overlay.json"), filepath.Join(dir, "server")
	must(t, os.WriteFile(file, list, 0o644))
	if out, err := exec.Command("go", "test", "-c", "-overlay", file, "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}
