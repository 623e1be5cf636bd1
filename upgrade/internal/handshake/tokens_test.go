package handshake_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/wsverdict/wsverdict/upgrade/internal/handshake"
	"github.com/wsverdict/wsverdict/upgrade/internal/reference"
)

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
		if want, wantWhole := reference.Tokens(lines); !slices.Equal(got, want) || whole != wantWhole {
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
