package codes_test

import (
	"math"
	"testing"

	"github.com/wsverdict/wsverdict/codes"
)

// actions are all that are defined, and the zero one.
var actions = []codes.Action{0, codes.Stop, codes.Refresh, codes.Backoff, codes.Reconnect}

func TestActionWords(t *testing.T) {
	words := []struct {
		action codes.Action
		word   string
	}{
		{action: codes.Stop, word: "stop"},
		{action: codes.Refresh, word: "refresh"},
		{action: codes.Backoff, word: "backoff"},
		{action: codes.Reconnect, word: "reconnect"},
	}
	for _, tc := range words {
		if got := tc.action.String(); got != tc.word {
			t.Errorf("Action(%d).String() = %q, want %q", tc.action, got, tc.word)
		}
		if got, ok := codes.ParseAction(tc.word); got != tc.action || !ok {
			t.Errorf("ParseAction(%q) = %d, %t, want %d, true", tc.word, got, ok, tc.action)
		}
	}
}

// A new action must come with its word, and nothing else may get one: a reason with a made-up word would be read as
// saying nothing.
func TestActionUndefined(t *testing.T) {
	if got := codes.Action(0).String(); got != "" {
		t.Errorf("the zero Action says %q, want nothing", got)
	}
	for a := codes.Reconnect + 1; a < math.MaxUint8; a++ {
		if got := a.String(); got != "" {
			t.Errorf("Action(%d).String() = %q, want nothing", a, got)
		}
	}
}

func TestParseActionRefuses(t *testing.T) {
	for _, word := range []string{"", " ", "Stop", "STOP", "stop ", " stop", "sto", "stopp", "retry", "stop;", "\x00", "\xff"} {
		if got, ok := codes.ParseAction(word); got != 0 || ok {
			t.Errorf("ParseAction(%q) = %d, %t, want 0, false", word, got, ok)
		}
	}
}
