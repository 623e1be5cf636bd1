// Package wheel is a wheel of timers: hundreds of thousands of them cost one goroutine, and nothing is
// allocated to set one.
package wheel

import (
	"math"
	"time"
)

const (
	// Tick is what times are kept to.
	Tick  = 100 * time.Millisecond
	slots = 256 // a turn takes 25.6 s; what is due later is passed over until then
)

// A Timer is what an element has in it. The zero value is not set.
type Timer[E any] struct {
	next, prev *E     // in the slot's list
	due        uint32 // tick; 0 for not set
}

// A Wheel has elements that are due at some tick. Its methods are not safe for concurrent use.
type Wheel[E any] struct {
	Of     func(*E) *Timer[E] // an element's timer; required
	start  time.Time
	turned uint32
	slots  [slots]*E
}

// Turned is the tick up to which Advance has dealt with what was due.
func (w *Wheel[E]) Turned() uint32 { return w.turned }

// Begin sets the wheel to now, when nothing is due.
func (w *Wheel[E]) Begin() {
	if w.start.IsZero() {
		w.start = time.Now()
	}
	w.turned = w.TickAt(time.Now())
}

// TickAt is the tick of t. It goes by how far t is from now: t may have the wall clock alone, which may
// have been set since the start. What is further away than ticks can count comes when it comes.
func (w *Wheel[E]) TickAt(t time.Time) uint32 {
	now := time.Now()
	away := min(t.Sub(now), math.MaxInt32*Tick)
	return uint32(max(0, now.Sub(w.start)+away) / Tick)
}

// Set makes e due at a tick, or at the next one if that has passed. It replaces what was set.
func (w *Wheel[E]) Set(e *E, due uint32) {
	w.Stop(e)
	t := w.Of(e)
	t.due = max(due, w.turned+1)
	slot := &w.slots[t.due%slots]
	if t.next = *slot; *slot != nil {
		w.Of(*slot).prev = e
	}
	*slot = e
}

// Stop makes e not due. It may be so already.
func (w *Wheel[E]) Stop(e *E) {
	t := w.Of(e)
	if t.due == 0 {
		return
	}
	if t.prev != nil {
		w.Of(t.prev).next = t.next
	} else {
		w.slots[t.due%slots] = t.next
	}
	if t.next != nil {
		w.Of(t.next).prev = t.prev
	}
	*t = Timer[E]{}
}

// Advance calls fire for each element that is due at now. fire sets or stops the element that it is
// called for, and no other.
func (w *Wheel[E]) Advance(now uint32, fire func(*E)) {
	for range min(now-w.turned, slots) {
		w.turned++
		for e := w.slots[w.turned%slots]; e != nil; {
			t := w.Of(e)
			next := t.next
			if t.due <= now {
				fire(e)
			}
			e = next
		}
	}
	w.turned = now
}

// Ticks is d in turns, at least one.
func Ticks(d time.Duration) uint32 { return uint32(max(1, min(d/Tick, 1<<31))) }
