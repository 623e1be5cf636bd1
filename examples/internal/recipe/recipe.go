// Package recipe reads what the guides say, so that tests run it.
package recipe

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Script returns the first script of a guide ("cookies.md"), for a test of a package two folders
// below examples.
func Script(t testing.TB, guide string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", guide))
	if err != nil {
		t.Fatal(err)
	}
	_, block, _ := strings.Cut(string(text), "\n```js\n")
	block, _, ok := strings.Cut(block, "\n```\n")
	if !ok {
		t.Fatalf("docs/%s has no script", guide)
	}
	return block
}
