package upgrade

import "time"

// An instant is a moment of the monotonic clock, in nanoseconds since the program started: a third
// of a [time.Time].
type instant int64

var started = time.Now()

func now() instant { return instant(time.Since(started)) }

func (i instant) add(d time.Duration) instant { return i + instant(d) }

// time is i for deadlines. The wall clock in it, which they do not look at, is off by what it was
// set since the start.
func (i instant) time() time.Time { return started.Add(time.Duration(i)) }

// after is time.Now().Add(d) with one reading of the clock instead of two.
func after(d time.Duration) time.Time { return now().add(d).time() }
