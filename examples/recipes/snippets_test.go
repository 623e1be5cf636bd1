// Package recipes holds the guides to what they say: their Go code is that of the packages below it, and
// of others, where it is compiled and run; their links lead somewhere.
package recipes

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// root is the repository's.
var root = filepath.Join("..", "..")

// Every Go snippet of README and the guides is code that is compiled, vetted and, in most cases, run: each
// of its paragraphs stands in one Go file of the repository, but for white space and for what an
// ellipsis leaves out.
func TestSnippets(t *testing.T) {
	files := goFiles(t)
	guides, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil || len(guides) < 10 {
		t.Fatal(guides, err)
	}
	n := 0
	for _, guide := range append(guides, filepath.Join(root, "README.md")) {
		for line, snippet := range snippets(read(t, guide)) {
			n++
			t.Run(fmt.Sprintf("%s:%d", filepath.Base(guide), line), func(t *testing.T) {
				found := map[string]int{}
				for _, p := range paragraphs(snippet) {
					for name, code := range files {
						if p.in(code) {
							found[name]++
						}
					}
				}
				for _, n := range found {
					if n == len(paragraphs(snippet)) {
						return
					}
				}
				t.Errorf("no Go file has this code; parts of it are in %v:\n%s", found, snippet)
			})
		}
	}
	if n < 30 {
		t.Errorf("only %d snippets were found", n)
	}
}

var fence = regexp.MustCompile("(?ms)^ *```go\n(.*?)^ *```$")

// snippets yields a guide's, with the line that each begins on.
func snippets(text string) map[int]string {
	found := map[int]string{}
	for _, at := range fence.FindAllStringSubmatchIndex(text, -1) {
		found[1+strings.Count(text[:at[0]], "\n")] = text[at[2]:at[3]]
	}
	return found
}

// A paragraph is code between two empty lines, as its pieces between ellipses.
type paragraph []string

var imports = regexp.MustCompile(`(?m)^import (?s:\((.*?)\n\)|(.*?)\n)`)

func paragraphs(snippet string) (all []paragraph) {
	snippet = imports.ReplaceAllStringFunc(snippet, func(block string) string {
		for line := range strings.Lines(strings.Trim(strings.TrimPrefix(block, "import "), "()")) {
			if line = plain(line); line != "" {
				all = append(all, paragraph{line}) // in whatever order and company
			}
		}
		return ""
	})
	for text := range strings.SplitSeq(snippet, "\n\n") {
		if text = plain(text); text != "" {
			all = append(all, strings.Split(text, "…"))
		}
	}
	return all
}

// in looks for the pieces in their order.
func (p paragraph) in(code string) bool {
	for _, piece := range p {
		_, rest, ok := strings.Cut(code, strings.TrimSuffix(strings.TrimSpace(piece), "//"))
		if !ok {
			return false
		}
		code = rest
	}
	return true
}

var space = regexp.MustCompile(`\s+`)

// plain is code whose white space does not count.
func plain(code string) string { return strings.TrimSpace(space.ReplaceAllString(code, " ")) }

// goFiles is the plain code of every Go file.
func goFiles(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") {
			return err
		}
		text, err := os.ReadFile(path)
		files[path] = plain(string(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
