package main

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite testdata/rooms/codes.ts")

func TestModuleIsCurrent(t *testing.T) {
	if *update {
		if err := run([]string{"-o", "testdata/rooms/codes.ts", "./testdata/rooms"}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := run([]string{"-check", "-o", "testdata/rooms/codes.ts", "./testdata/rooms"}, nil); err != nil {
		t.Error(err)
	}
}

func TestOwnCodes(t *testing.T) {
	var b bytes.Buffer
	if err := run([]string{"./testdata/rooms"}, &b); err != nil {
		t.Fatal(err)
	}
	module := b.String()
	for _, want := range []string{
		"  /** RoomFull: there is no seat left. */\n  RoomFull: 4601,\n",
		"  /** GameOver has a comment above it, on two lines. */\n  GameOver: 4001,\n",
		"  /** Thrown out by a moderator. */\n  Kicked: 4002,\n",
		"  quiet: 4003,\n", "  Again: 4010,\n", "  Plain: 4011,\n", "  Unprocessable: 4422,\n",
		"  four: 4604,\n", "  five: 4605,\n",
		"httpStatus: 422 }", "  Unauthorized: 4401,\n",
	} {
		if !strings.Contains(module, want) {
			t.Errorf("it lacks %q", want)
		}
	}
	for _, stray := range []string{"Denied", "Number", "inside", "OnlyInTests", "_:"} {
		if strings.Contains(module, stray) {
			t.Errorf("it has %s", stray)
		}
	}
}

// A code that was added, renamed or moved since fails the check, and the file stays as it is.
func TestDriftFails(t *testing.T) {
	const file = "testdata/drifted/codes.ts"
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	err = run([]string{"-check", "-o", file, "./testdata/drifted"}, nil)
	if err == nil || !strings.Contains(err.Error(), "not current") {
		t.Errorf("a module that lacks a code passes: %v", err)
	}
	if after, _ := os.ReadFile(file); !bytes.Equal(before, after) {
		t.Error("-check wrote")
	}
	fresh := filepath.Join(t.TempDir(), "codes.ts")
	if err := run([]string{"-o", fresh, "./testdata/drifted"}, nil); err != nil {
		t.Fatal(err)
	}
	if err := run([]string{"-check", "-o", fresh, "./testdata/drifted"}, nil); err != nil {
		t.Error(err)
	}
}

func TestMistakes(t *testing.T) {
	for name, args := range map[string][]string{
		"no such package":      {"./testdata/nowhere"},
		"no such file":         {"-check", "-o", "testdata/nowhere.ts", "./testdata/rooms"},
		"check without a file": {"-check", "./testdata/rooms"},
		"no such flag":         {"-x"},
		"the same code twice":  {"./testdata/rooms", "./testdata/drifted"},
	} {
		if err := run(args, nil); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// Slugs are those that are passed as one, and of the library those of what is imported.
func TestSlugs(t *testing.T) {
	var b bytes.Buffer
	if err := run([]string{"./testdata/rooms"}, &b); err != nil {
		t.Fatal(err)
	}
	_, got, ok := strings.Cut(b.String(), "export const slugs = [\n")
	if !ok {
		t.Fatal("there are none")
	}
	for _, want := range []string{"room_full", "not_listed", "game_over", "full_for_now", "internal_error"} {
		if !strings.Contains(got, "  \""+want+"\",\n") {
			t.Errorf("it lacks %s:\n%s", want, got)
		}
	}
	for _, stray := range []string{"token_expired", "unknown"} {
		if strings.Contains(got, stray) {
			t.Errorf("it has %s", stray)
		}
	}
}

// TypeScript's own compiler takes the module, and names that are not there are its errors.
func TestModuleCompiles(t *testing.T) {
	tsc, err := filepath.Abs("../../client/node_modules/.bin/tsc")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(tsc); err != nil {
		if os.Getenv("WSVERDICT_REQUIRE_ALL") == "1" {
			t.Fatal("no tsc, and WSVERDICT_REQUIRE_ALL=1 is set: run npm ci in codes/client")
		}
		t.Skip("no tsc: run npm ci in codes/client")
	}
	dir := t.TempDir()
	if err := run([]string{"-o", filepath.Join(dir, "codes.ts"), "./testdata/rooms"}, nil); err != nil {
		t.Fatal(err)
	}
	compile := func(body string) error {
		file := filepath.Join(dir, "use.ts")
		if err := os.WriteFile(file, []byte("import { catalog, codes, type Code, type Slug } from './codes.ts';\n"+body), 0o644); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(tsc, "--strict", "--noEmit", "--module", "esnext", "--moduleResolution", "bundler",
			"--target", "es2022", "--allowImportingTsExtensions", "--ignoreConfig", file).CombinedOutput()
		if err != nil {
			t.Logf("%s", out)
		}
		return err
	}
	if err := compile("const full: Code = codes.RoomFull;\nexport const text: string = catalog[full].text;\nexport const slug: Slug = 'room_full';\n"); err != nil {
		t.Errorf("tsc: %v", err)
	}
	if compile("export const gone: Slug = 'room_empty';\n") == nil {
		t.Error("a slug that the server does not have compiles")
	}
	if compile("export const gone: Code = codes.RoomEmpty;\n") == nil {
		t.Error("a name that the server does not have compiles")
	}
}
