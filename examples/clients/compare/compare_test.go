package main

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/wsverdict/wsverdict/examples/internal/chrome"
)

func TestMain(m *testing.M) { os.Exit(chrome.Main(m)) }

// short is for a test: figures of it say nothing.
var short = setting{
	Latency: 20 * time.Millisecond, Refused: 3 * time.Second,
	Connections: 2, Every: 50 * time.Millisecond, Before: 5, Down: 500 * time.Millisecond, Settle: time.Second,
}

// Every client connects, meets its fault and accounts for itself: a meeting fails where one does not. What
// is asserted of their behaviour is what this library's own client promises.
func TestEveryClientMeetsEveryFault(t *testing.T) {
	requireAll(t)
	b, err := newBundle(t.Context(), ".")
	if err != nil {
		t.Fatal(err)
	}
	d := document{bundle: b, setting: short}
	if d.refused, err = wave(t.Context(), clients, refusals, []byte(b.Script), short); err != nil {
		t.Fatal(err)
	}
	for _, r := range d.refused {
		if !r.visible || r.attempts < 1 {
			t.Errorf("%s, %s: %+v", r.client.name, r.fault.name, r)
		}
	}
	patient := short
	patient.Back = patience // a wait is random, and nobody waits so long
	for _, meeting := range []struct {
		clients []client
		setting setting
	}{{clients[:1], patient}, {clients[1:], short}} {
		results, err := wave(t.Context(), meeting.clients, restarts, []byte(b.Script), meeting.setting)
		if err != nil {
			t.Fatal(err)
		}
		d.restarted = append(d.restarted, results...)
	}
	for _, r := range d.restarted {
		if all := r.once + r.twice + r.gone(); all != r.sent || r.once == 0 || r.connections != short.Connections {
			t.Errorf("%s, %s: %+v", r.client.name, r.fault.name, r)
		}
	}

	if r, _ := find(d.refused, ours, stopped); r.attempts != 1 || !r.ended || !strings.Contains(r.knew, "token_revoked") {
		t.Errorf("told to stop: %+v", r)
	}
	if r, _ := find(d.refused, ours, limited); r.attempts != 1 || r.early != 0 || r.ended {
		t.Errorf("told to wait for %v: %+v", limit, r)
	}
	if r, _ := find(d.refused, ours, forbidden); r.attempts > 16 || r.ended { // in a minute: examples/client
		t.Errorf("refused by status: %+v", r)
	}
	for _, f := range restarts {
		if r, _ := find(d.restarted, ours, f.name); len(r.back) != r.connections || r.twice != 0 || r.ended {
			t.Errorf("%s: %+v", f.name, r)
		}
	}

	text := string(d.render(time.Now()))
	for _, c := range clients {
		if !strings.Contains(text, "\n| "+c.name+" | ") {
			t.Errorf("%s is not in the document:\n%s", c.name, text)
		}
	}
}

// requireAll skips the test where Chromium, Node or the packages are missing. Where
// WSVERDICT_REQUIRE_ALL=1 is set it fails.
func requireAll(t *testing.T) {
	t.Helper()
	switch err := installed("."); {
	case err == nil:
	case !errors.Is(err, errMissing):
		t.Fatal(err)
	case os.Getenv("WSVERDICT_REQUIRE_ALL") == "1":
		t.Fatalf("%v, and WSVERDICT_REQUIRE_ALL=1 is set", err)
	default:
		t.Skip(err)
	}
}

// Whoever starts the command in a fresh checkout is told what to install, by a command that does it.
func TestMissingPackages(t *testing.T) {
	if err := installed(t.TempDir()); !errors.Is(err, errMissing) || !strings.Contains(err.Error(), "npm ci --prefix examples/clients") {
		t.Errorf("without packages: %v", err)
	}
}
