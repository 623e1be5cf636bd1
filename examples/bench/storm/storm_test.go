package storm

import (
	"os"
	"runtime/debug"
	"slices"
	"testing"

	"github.com/wsverdict/wsverdict/examples/bench/internal/child"
)

func TestMain(m *testing.M) {
	child.Main(Roles())
	os.Exit(m.Run())
}

// few is enough to see that everybody is told and nothing is left behind.
const few = 100

var outcomes = map[string]storm{
	"admitted, HS256": {alg: "HS256", life: good, want: admitted},
	"admitted, ES256": {alg: "ES256", life: good, want: admitted},
	"admitted, RS256": {alg: "RS256", life: good, want: admitted},
	"expired":         {alg: "HS256", life: expired, want: codeExpired},
	"limited":         {alg: "HS256", life: good, want: codeLimited, spent: true},
	"maintenance":     {alg: "HS256", life: good, want: codeMaintenance, maintenance: true},
}

// TestEverybodyIsTold: whatever the outcome, every client that waits sees it, and the server is left as it was; the same where
// tokens are remembered, of which each comes twice.
func TestEverybodyIsTold(t *testing.T) {
	for name, s := range outcomes {
		for _, l := range []library{ours, remembering} {
			t.Run(name+", "+l.name, func(t *testing.T) {
				s.seen = l.name == remembering.name
				f, err := s.run(l, few)
				if err != nil {
					t.Fatal(err)
				}
				check(t, f)
			})
		}
	}
}

// TestProfilesHaveParts: every sample has a part that the report shows.
func TestProfilesHaveParts(t *testing.T) {
	for _, rule := range division.Rules {
		if !slices.Contains(Parts, rule[1]) {
			t.Errorf("%s belongs to %q, which is no part", rule[0], rule[1])
		}
	}
}

func check(t *testing.T, f figures) {
	t.Helper()
	if f["told-%"] != 100 {
		t.Errorf("%v %% of the clients saw what was intended, want all", f["told-%"])
	}
	if f["left"] > spare {
		t.Errorf("%v goroutines are left behind", f["left"])
	}
}

// TestPeersAreMeasured: every server that is compared does what the storms take it to do.
func TestPeersAreMeasured(t *testing.T) {
	for _, l := range libraries {
		for _, name := range []string{"admitted, ES256", "expired", "limited", "maintenance"} {
			if _, err := outcomes[name].run(l, few/5); err != nil {
				t.Errorf("%s, %s: %v", l.name, name, err)
			}
		}
	}
}

// TestTheSilentAreTold: 64 KB that nobody waits for do not cost a client its close frame, and it costs the server little: none of
// the buffer that its 64 KB were read with. A machine that is busy may measure with clients that are still read from, or gone
// already, so a measurement counts that has all of them, and the least of three is what they take.
func TestTheSilentAreTold(t *testing.T) {
	const most = 4.5 * kB
	var got []float64
	for range 3 {
		f, err := silence(ours, 300)
		if err != nil {
			t.Fatal(err)
		}
		check(t, f)
		if f["held-%"] >= 100 {
			got = append(got, f["B/client"])
		}
		if underRace() || f["held-%"] >= 100 && f["B/client"] <= most {
			return
		}
	}
	t.Errorf("a silent client takes %.0f B, want at most %.0f", got, most)
}

// TestThoseWhoStandAreAnswered: a flood of refusals costs nobody who was admitted a pong, and nobody who is refused the code.
func TestThoseWhoStandAreAnswered(t *testing.T) {
	for _, l := range libraries {
		f, err := flooded(l, few)
		if err != nil {
			t.Fatal(err)
		}
		if l.name == ours.name {
			check(t, f)
		}
		if f["quiet-p50-µs"] == 0 || f["p50-µs"] == 0 {
			t.Errorf("%s answered no ping", l.name)
		}
	}
}

// TestTheSlowAreAdmitted, while others come.
func TestTheSlowAreAdmitted(t *testing.T) {
	f, err := slowness(ours, few)
	if err != nil {
		t.Fatal(err)
	}
	check(t, f)
}

// TestEverybodyComesBack: a restart tells every client, and gets every one of them back.
func TestEverybodyComesBack(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes some seconds")
	}
	r, err := restart(ours, few)
	if err != nil {
		t.Fatal(err)
	}
	if r.figures["told-%"] != 100 || r.figures["back-%"] != 100 {
		t.Errorf("%v %% were told and %v %% came back, want all", r.figures["told-%"], r.figures["back-%"])
	}
}

// underRace reports whether the race detector is on, here and in the servers: it takes memory.
func underRace() bool {
	info, _ := debug.ReadBuildInfo()
	return slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}
