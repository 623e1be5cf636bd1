// Package parts divides a CPU profile into parts of the work.
package parts

import (
	"io"
	"slices"
	"strings"

	"github.com/google/pprof/profile"
)

// A Division is the parts that a profile is divided into.
type Division struct {
	Parts []string
	Rules [][2]string // how the names of functions begin, and the part that these belong to, in the order in which they are asked
	Rest  string      // the part of samples that no rule names
}

// Shares returns the parts' shares of the samples in in, which add up to 1, and the CPU nanoseconds of all samples. A sample belongs to
// the innermost function that a rule names.
func (d *Division) Shares(in io.Reader) (shares []float64, nanos float64, err error) {
	p, err := profile.Parse(in)
	if err != nil {
		return nil, 0, err
	}
	shares = make([]float64, len(d.Parts))
	for _, sample := range p.Sample {
		value := float64(sample.Value[len(sample.Value)-1])
		shares[slices.Index(d.Parts, d.part(sample))] += value
		nanos += value
	}
	for i := range shares {
		shares[i] /= max(nanos, 1)
	}
	return shares, nanos, nil
}

func (d *Division) part(s *profile.Sample) string {
	for _, location := range s.Location {
		for _, line := range location.Line {
			for _, r := range d.Rules {
				if strings.HasPrefix(line.Function.Name, r[0]) {
					return r[1]
				}
			}
		}
	}
	return d.Rest
}
