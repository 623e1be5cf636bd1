package codes_test

import (
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/wsverdict/wsverdict/codes"
)

func TestWriteTypeScript(t *testing.T) {
	var b strings.Builder
	err := codes.WriteTypeScript(&b,
		codes.Entry{Code: 4601, Name: "Room Full", Status: 409, Text: "The room is \"full\".\nTry */ later.", Action: codes.Backoff},
		codes.Entry{Code: 4001, Name: "game_over"},
		codes.Entry{Code: 4422, Name: "UnprocessableContent"},
	)
	if err != nil {
		t.Fatal(err)
	}
	got := b.String()
	for _, want := range []string{
		"  /** The room is \"full\". Try * / later. */\n  RoomFull: 4601,\n",
		"  4601: { name: \"RoomFull\", text: \"The room is \\\"full\\\".\\nTry */ later.\", action: \"backoff\", httpStatus: 409 },\n",
		"  4001: { name: \"game_over\", text: \"\", action: \"stop\", httpStatus: 0 },\n  4400:",
		"  4422: { name: \"UnprocessableContent\", text: \"\", action: \"stop\", httpStatus: 422 },\n",
		"  4401: { name: \"Unauthorized\", text: \"Valid credentials are required.\", action: \"refresh\", httpStatus: 401 },\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("it lacks %q", want)
		}
	}
	if t.Failed() {
		t.Log(got)
	}
	for _, e := range codes.Catalog() {
		if want := strings.ReplaceAll(e.Name, " ", "") + ": "; !strings.Contains(got, want) {
			t.Errorf("it lacks %q", want)
		}
	}
}

func TestWriteTypeScriptReportsEveryMistake(t *testing.T) {
	var b strings.Builder
	err := codes.WriteTypeScript(&b,
		codes.Entry{Code: 3000, Name: "Outside"},
		codes.Entry{Code: 4601, Name: "1st"},
		codes.Entry{Code: 4602, Name: "Gone"},
		codes.Entry{Code: 4401, Name: "Other"},
		codes.Entry{Code: 4603, Name: "Odd", Status: 200},
		codes.Entry{Code: 4422, Name: "Odder", Status: 401},
	)
	var all interface{ Unwrap() []error }
	if !errors.As(err, &all) || len(all.Unwrap()) != 6 {
		t.Errorf("want six mistakes, got: %v", err)
	}
	if b.Len() > 0 {
		t.Error("a module was written all the same")
	}
}

// A program whose codes have statuses, actions and sentences of their own generates the module by a
// program of six lines, started by go:generate.
func ExampleWriteTypeScript() {
	err := codes.WriteTypeScript(io.Discard, // a file: web/src/codes.ts
		codes.Entry{Code: 4601, Name: "RoomFull", Status: 409, Text: "The room is full.", Action: codes.Backoff},
	)
	if err != nil {
		os.Exit(1)
	}
	// Output:
}
