package memo_test

import (
	"crypto/fips140"
	"os"
	"os/exec"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/wsverdict/wsverdict/middleware/internal/memo"
)

// TestHash: texts that differ in any byte, in their length or in zeros at their end have different
// keys, the same text has the same one, and under another secret another.
func TestHash(t *testing.T) {
	h := memo.NewHash()
	text := strings.Repeat("0123456789abcdef", 20) + "tail"
	seen := map[memo.Key]string{}
	add := func(text string) {
		key := h.Key(text)
		if other, ok := seen[key]; ok && other != text {
			t.Errorf("%q and %q have the same key", text, other)
		}
		seen[key] = text
		if key != h.Key(text) {
			t.Errorf("%q has two keys", text)
		}
	}
	for i := range len(text) {
		add(text[:i])
		for bit := range 8 {
			altered := []byte(text)
			altered[i] ^= 1 << bit
			add(string(altered))
		}
	}
	for zeros := range 33 {
		add(text + strings.Repeat("\x00", zeros))
		add(strings.Repeat("\x00", zeros))
	}
	if other := memo.NewHash(); other.Key(text) == h.Key(text) {
		t.Error("two hashes have the same secret")
	}
}

// TestHashForgets: what is kept for the next text has nothing of the last one.
func TestHashForgets(t *testing.T) {
	if left := memo.LeftBehind(memo.NewHash(), "a token"); left != strings.Repeat("\x00", len("a token")) {
		t.Errorf("left behind: %q", left)
	}
}

func TestHashDoesNotAllocate(t *testing.T) {
	if info, _ := debug.ReadBuildInfo(); slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		t.Skip("the race detector makes pools forget")
	}
	h, text := memo.NewHash(), strings.Repeat("x", 1000)
	if n := testing.AllocsPerRun(1000, func() { h.Key(text) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestHashUnderFIPS: a process that enforces FIPS 140 can remember all the same.
func TestHashUnderFIPS(t *testing.T) {
	if !fips140.Enforced() {
		cmd := exec.Command(os.Args[0], "-test.run=^TestHashUnderFIPS$", "-test.v")
		cmd.Env = append(os.Environ(), "GODEBUG=fips140=only")
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "--- PASS: TestHashUnderFIPS") {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	h := memo.NewHash()
	if h.Key("a") == h.Key("b") {
		t.Error("two texts have the same key")
	}
}

func BenchmarkHash(b *testing.B) {
	h := memo.NewHash()
	for _, size := range []int{170, 500, 1000} { // of tokens with HS256, RS256, and many claims
		b.Run(strconv.Itoa(size), func(b *testing.B) {
			text := strings.Repeat("x", size)
			for b.Loop() {
				h.Key(text)
			}
		})
	}
}
