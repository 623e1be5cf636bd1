package wheel_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsverdict/wsverdict/upgrade/internal/wheel"
)

type egg struct {
	wheel.Timer[egg]
	name string
}

// A tray is a wheel, and what has fired, by the tick at which it did.
type tray struct {
	wheel.Wheel[egg]
	fired map[uint32][]string
}

func newTray() *tray {
	t := &tray{fired: map[uint32][]string{}}
	t.Of = func(e *egg) *wheel.Timer[egg] { return &e.Timer }
	t.Begin()
	return t
}

func (t *tray) advance(to uint32) {
	for now := t.Turned() + 1; now <= to; now++ {
		t.Advance(now, func(e *egg) {
			t.fired[now] = append(t.fired[now], e.name)
			t.Stop(e)
		})
	}
}

func (t *tray) want(test *testing.T, tick uint32, names ...string) {
	test.Helper()
	got := slices.Sorted(slices.Values(t.fired[tick]))
	if !slices.Equal(got, names) {
		test.Errorf("at %d fired %q, want %q", tick, got, names)
	}
}

func TestFiresAtItsTick(t *testing.T) {
	w := newTray()
	first := w.Turned()
	a, b, c, d := &egg{name: "a"}, &egg{name: "b"}, &egg{name: "c"}, &egg{name: "d"}
	w.Set(a, first+3)
	w.Set(b, first+3)
	w.Set(c, first+3+256) // the same slot, a turn later
	w.Set(d, 0)           // the past is the next tick
	w.advance(first + 600)
	w.want(t, first+1, "d")
	w.want(t, first+3, "a", "b")
	w.want(t, first+3+256, "c")
	if len(w.fired) != 3 {
		t.Errorf("fired %v", w.fired)
	}
}

func TestSetReplaces(t *testing.T) {
	w := newTray()
	first := w.Turned()
	eggs := []*egg{{name: "a"}, {name: "b"}, {name: "c"}}
	for _, e := range eggs {
		w.Set(e, first+2)
	}
	w.Set(eggs[1], first+5) // out of the middle of the list
	w.Stop(eggs[0])
	w.Stop(eggs[0])
	w.advance(first + 10)
	w.want(t, first+2, "c")
	w.want(t, first+5, "b")
}

// TestLateAdvance: a goroutine that was held up for longer than a turn passes nothing over.
func TestLateAdvance(t *testing.T) {
	w := newTray()
	first := w.Turned()
	var fired []string
	for i, name := range []string{"a", "b", "c"} {
		w.Set(&egg{name: name}, first+uint32(200*(i+1)))
	}
	w.Advance(first+500, func(e *egg) { fired = append(fired, e.name); w.Stop(e) })
	slices.Sort(fired)
	if !slices.Equal(fired, []string{"a", "b"}) {
		t.Errorf("fired %q", fired)
	}
	if w.Turned() != first+500 {
		t.Errorf("turned to %d, want %d", w.Turned(), first+500)
	}
}

func TestTicks(t *testing.T) {
	synctest.Test(t, testTicks) // no time passes
}

func testTicks(t *testing.T) {
	w := newTray()
	for d, want := range map[time.Duration]uint32{-time.Second: 1, 0: 1, wheel.Tick: 1, time.Second: 10, 1 << 62: 1 << 31} {
		if got := wheel.Ticks(d); got != want {
			t.Errorf("%v has %d ticks, want %d", d, got, want)
		}
	}
	if at := w.TickAt(time.Now().Add(time.Minute)); at < 599 || at > 600+w.Turned() {
		t.Errorf("a minute from now is tick %d", at)
	}
	if at := w.TickAt(time.Now().Add(-time.Hour)); at != 0 {
		t.Errorf("an hour ago is tick %d", at)
	}
	w.TickAt(time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)) // does not overflow
}

func TestSettingDoesNotAllocate(t *testing.T) {
	w := newTray()
	e := &egg{}
	if n := testing.AllocsPerRun(100, func() { w.Set(e, w.Turned()+7); w.Stop(e) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
