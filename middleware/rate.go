package middleware

import (
	"math"
	"math/bits"
	"strconv"
	"time"
)

// A Rate is how much is allowed: Requests per Per on average, and Burst at once. It is the one idea
// of a rate here: handshakes, messages and a remote [Limiter] are all counted by it.
type Rate struct {
	Requests int           // per Per; required
	Per      time.Duration // required
	Burst    int           // at once, after a pause: the size of a full bucket. 0 means Requests
}

// PerSecond is the rate of n in a second.
func PerSecond(n int) Rate { return Rate{Requests: n, Per: time.Second} }

// PerMinute is the rate of n in a minute.
func PerMinute(n int) Rate { return Rate{Requests: n, Per: time.Minute} }

// PerHour is the rate of n in an hour.
func PerHour(n int) Rate { return Rate{Requests: n, Per: time.Hour} }

// Interval is the time in which one token comes back (the emission interval of GCRA), 0 for a Rate
// that is wrong.
func (q Rate) Interval() time.Duration {
	if q.Requests <= 0 || q.Per <= 0 {
		return 0
	}
	return q.Per / time.Duration(q.Requests)
}

// Capacity is how many tokens a full bucket has.
func (q Rate) Capacity() int {
	if q.Burst == 0 {
		return q.Requests
	}
	return q.Burst
}

// Check returns every mistake in q, nil if there is none. A full bucket takes at most 73 years to
// fill.
func (q Rate) Check() error {
	var wrong mistakes
	q.check(&wrong)
	return wrong.err("Rate")
}

func (q Rate) check(wrong *mistakes) {
	interval := q.Interval()
	switch {
	case q == Rate{}:
		wrong.add("Rate is missing: PerMinute(20), say")
	case q.Requests <= 0 || q.Per <= 0:
		wrong.add("Rate: Requests and Per must be positive")
	case interval == 0:
		wrong.add("Rate: more than one a nanosecond")
	}
	switch {
	case q.Burst < 0:
		wrong.add("Rate: Burst is negative")
	case interval > 0 && q.full() == 0:
		wrong.add("Rate: a bucket of %d takes more than 73 years to fill", q.Capacity())
	}
}

// full is the nanoseconds that a whole bucket takes to fill, 0 for a Rate that is wrong. Twice as
// much can be added to a moment without an overflow.
func (q Rate) full() int64 {
	capacity := q.Capacity()
	if capacity < 0 || capacity > math.MaxInt32 {
		return 0
	}
	hi, lo := bits.Mul64(uint64(q.Interval()), uint64(capacity))
	if hi != 0 || lo > math.MaxInt64/4 {
		return 0
	}
	return int64(lo)
}

// quota is q as a parameter of the RateLimit-Policy field: so many in so many whole seconds.
func (q Rate) quota() string {
	window := int64(q.Per / time.Second)
	if q.Per%time.Second > 0 {
		window++
	}
	hi, lo := bits.Mul64(uint64(q.Requests), uint64(window)*uint64(time.Second))
	requests, _ := bits.Div64(hi, lo, uint64(q.Per))
	return ";q=" + strconv.FormatUint(requests, 10) + ";w=" + strconv.FormatInt(window, 10)
}
