package main

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/wsverdict/wsverdict/examples/bench"
)

// measured is a row and what its cases gave: the figures of every round, by case and unit.
type measured struct {
	bench.Row
	figures map[string]map[string][]float64
}

func measure(row bench.Row, rounds int) (*measured, error) {
	row.Metric = cmp.Or(row.Metric, "ns/op")
	m := &measured{row, map[string]map[string][]float64{}}
	for _, c := range row.Cases {
		m.figures[c.Name] = map[string][]float64{}
	}
	for range rounds {
		for _, i := range rand.Perm(len(row.Cases)) { // what one leaves behind is not always the same one's burden
			c := row.Cases[i]
			r := testing.Benchmark(c.Run)
			if r.N == 0 {
				return nil, fmt.Errorf("%s: %s failed", row.Name, c.Name)
			}
			all := m.figures[c.Name]
			add := func(unit string, v float64) { all[unit] = append(all[unit], v) }
			add("ns/op", float64(r.T.Nanoseconds())/float64(r.N))
			add("B/op", float64(r.AllocedBytesPerOp()))
			add("allocs/op", float64(r.AllocsPerOp()))
			for unit, v := range r.Extra {
				add(unit, v)
			}
		}
	}
	return m, nil
}

func (m *measured) has(name string) bool { return len(m.figures[name]) > 0 }

func (m *measured) value(name, unit string) float64 { return median(m.figures[name][unit]) }

// ratio is the median of what it was within a round.
func (m *measured) ratio(name, base, unit string) float64 {
	var ratios []float64
	for i, v := range m.figures[name][unit] {
		ratios = append(ratios, v/m.figures[base][unit][i])
	}
	return median(ratios)
}

// isFloor says that a case is a yardstick, not a peer.
func (m *measured) isFloor(name string) bool {
	return slices.Contains(m.Floors, name) || strings.HasSuffix(name, "(floor)")
}

// best is the best of a row's peers.
func (m *measured) best(unit string) string {
	var best string
	for _, c := range m.Cases {
		if !strings.HasPrefix(c.Name, "wsverdict") && !m.isFloor(c.Name) && (best == "" || m.value(c.Name, unit) < m.value(best, unit)) {
			best = c.Name
		}
	}
	return best
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}
