package handshake_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/wsverdict/wsverdict/upgrade/internal/handshake"
)

var (
	listToken = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$") // RFC 9110 §5.6.2
	listSpace = regexp.MustCompile(`^[ \t]*|[ \t]*$`)
)

// slowTokens reads a list over several lines as if it were one (RFC 9110 §5.3), up to its end or to what is no token.
func slowTokens(lines []string) (list []string, whole bool) {
	for _, element := range strings.Split(strings.Join(lines, ","), ",") {
		element = listSpace.ReplaceAllString(element, "")
		switch {
		case element == "":
		case !listToken.MatchString(element) || strings.HasSuffix(element, "\n"):
			return list, false
		default:
			list = append(list, element)
		}
	}
	return list, true
}

func FuzzTokens(f *testing.F) {
	for _, seed := range []string{
		"", ",", "a", "a,b", " a ,\tb\t", "a,,b", "a b,c", "a;q=1,b", "a\nb", "a,\n,b\n\nc", "bearer, eyJhbGciOi.e30.c2ln", `"a",b`, "a,\"b,c\"",
		"a,\x00b", "a,é,b", "a/b", "a,\vb", "a,\u00a0b", "a\r,b", "=,a", strings.Repeat("a,", 100), "!#$%&'*+-.^_`|~09AZaz,(", "@", "{}", "\x7f",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		lines := strings.Split(s, "\n")
		var got []string
		whole := true
		for token, ok := range handshake.Tokens(lines) {
			if whole = ok; ok {
				got = append(got, token)
			}
		}
		if want, wantWhole := slowTokens(lines); !slices.Equal(got, want) || whole != wantWhole {
			t.Fatalf("%q: got %q %v, want %q %v", lines, got, whole, want, wantWhole)
		}
		if len(got) == 0 {
			return
		}
		for first := range handshake.Tokens(lines) {
			if first != got[0] {
				t.Fatalf("%q: a range that ends early began with %q", lines, first)
			}
			break
		}
		if !handshake.HasToken(lines, strings.ToUpper(got[len(got)-1])) {
			t.Fatalf("%q: HasToken does not find %q", lines, got[len(got)-1])
		}
	})
}
