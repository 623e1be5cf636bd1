package storm

import (
	"slices"
	"time"
)

// figures are what a storm reports, by unit.
type figures map[string]float64

func percentile(times []time.Duration, p int) float64 {
	if len(times) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(times))
	return micro(sorted[min(len(sorted)-1, len(sorted)*p/100)])
}

func micro(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

func milli(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

const kB, mB = 1 << 10, 1 << 20
