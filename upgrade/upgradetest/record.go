package upgradetest

import (
	"testing"
	"time"

	"github.com/wsverdict/wsverdict/upgrade"
)

// A Recorder is an Observer that has the events it was told of, in order. With another one it goes
// into an [upgrade.Observers].
//
//	events := upgradetest.NewRecorder()
//	up := &upgrade.Upgrader{Observer: events}
type Recorder struct{ events chan upgrade.Event }

// recorded is how many events may wait to be looked at.
const recorded = 10_000

// NewRecorder returns a Recorder.
func NewRecorder() *Recorder { return &Recorder{make(chan upgrade.Event, recorded)} }

// Observe is upgrade.Observer's. An event's request is not kept: it is not to be.
func (r *Recorder) Observe(e upgrade.Event) {
	e.Request = nil
	select {
	case r.events <- e:
	default:
		panic("upgradetest: nobody looks at the events")
	}
}

// Next waits for the next event.
func (r *Recorder) Next(t testing.TB) upgrade.Event {
	t.Helper()
	timer := time.NewTimer(time.Until(patience()))
	defer timer.Stop()
	select {
	case e := <-r.events:
		return e
	case <-timer.C:
		t.Fatal("nothing happened that an Observer is told")
	}
	return upgrade.Event{}
}

// Until waits for the next event of a kind, and passes over others.
func (r *Recorder) Until(t testing.TB, kind upgrade.Kind) upgrade.Event {
	t.Helper()
	for {
		if e := r.Next(t); e.Kind == kind {
			return e
		}
	}
}
