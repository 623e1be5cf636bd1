package broadcast

import (
	"encoding/json"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/wsverdict/wsverdict/examples/bench/internal/child"
)

func TestMain(m *testing.M) {
	child.Main(Roles())
	os.Exit(m.Run())
}

// few is enough that whoever does not read is too far behind for every server that ends such clients.
var few = Sizes{Clients: 200, Chased: 500, Paced: 2}

// TestWhoReadsHasItAll: in order, whatever the others do. Who does not read is closed, and costs no more than an outbox.
func TestWhoReadsHasItAll(t *testing.T) {
	r, err := open(ours, few)
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	f, err := r.measure(few)
	if err != nil {
		t.Fatal(err)
	}
	if f["whole-%"] != 100 {
		t.Errorf("%v %% of the clients have all messages, want all", f["whole-%"])
	}
	slow := few.Clients / 10
	if most := 1.1*float64(slow*64<<10)/mB + 2; f["grown-MB"] > most && !underRace() { // full outboxes, and what else the server has grown by
		t.Errorf("the server holds %.1f MB more than before, want at most %.1f", f["grown-MB"], most)
	}
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for closed, begun := 0, time.Now(); closed < slow; <-poll.C {
		must(t, r.server.Send("slow"))
		line, err := r.server.Line()
		must(t, err)
		if closed, err = strconv.Atoi(line); err != nil || time.Since(begun) > time.Minute {
			t.Fatalf("%d of %d who do not read were closed as slow consumers, %v", closed, slow, err)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestPeersAreMeasured: every server that is compared does what the broadcast takes it to do.
func TestPeersAreMeasured(t *testing.T) {
	for _, l := range libraries[1:] {
		f, err := Sizes{Clients: 50, Chased: 100, Paced: 1}.run(l)
		if err != nil || f["whole-%"] != 100 || f["p99-µs"] == 0 {
			t.Errorf("%s: %v, %v", l.name, f, err)
		}
	}
}

func TestMessagesAreRead(t *testing.T) {
	at := time.Unix(1, 234)
	m := message(4711, at)
	if len(m) != messageSize || !json.Valid(m) {
		t.Errorf("%d bytes: %s", len(m), m)
	}
	if number, sent, ok := parse(m); number != 4711 || sent != at.UnixNano() || !ok {
		t.Errorf("read %d, %d, %v", number, sent, ok)
	}
	if _, _, ok := parse(m[1:]); ok {
		t.Error("half a message was read")
	}
}

// underRace reports whether the race detector is on, here and in the server: it takes memory.
func underRace() bool {
	info, _ := debug.ReadBuildInfo()
	return slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}
