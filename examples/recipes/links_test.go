package recipes

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	link    = regexp.MustCompile(`\]\(([^)#:\s]*)(?:#([^)\s]*))?\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	inSlug  = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// Every link within the repository leads somewhere, to its heading too.
func TestLinks(t *testing.T) {
	guides, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, guide := range append(guides, filepath.Join(root, "README.md")) {
		for _, found := range link.FindAllStringSubmatch(read(t, guide), -1) {
			target, anchor := guide, found[2]
			if found[1] != "" {
				target = filepath.Join(filepath.Dir(guide), filepath.FromSlash(found[1]))
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: %s: %v", filepath.Base(guide), found[0], err)
			} else if anchor != "" && !anchors(read(t, target))[anchor] {
				t.Errorf("%s: %s: no such heading", filepath.Base(guide), found[0])
			}
		}
	}
}

// anchors are those that GitHub gives the headings.
func anchors(text string) map[string]bool {
	found := map[string]bool{}
	for _, h := range heading.FindAllStringSubmatch(text, -1) {
		slug := strings.ReplaceAll(inSlug.ReplaceAllString(strings.ToLower(h[1]), ""), " ", "-")
		for n := 0; ; n++ {
			next := slug
			if n > 0 {
				next = fmt.Sprintf("%s-%d", slug, n)
			}
			if !found[next] {
				found[next] = true
				break
			}
		}
	}
	return found
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
