package promupgrade

import (
	"strings"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// MaxSeries is how many series one counter has at most. What comes beyond is counted as one more, with
// "other" in every label.
const MaxSeries = 500

// A series is a counter with a bounded number of label values.
type series struct {
	*prometheus.CounterVec
	other []string
	known sync.Map // of labels joined, to prometheus.Counter
	n     atomic.Int64
}

func newSeries(name, help string, labels ...string) *series {
	s := &series{CounterVec: newCounters(name, help, labels...), other: make([]string, len(labels))}
	for i := range s.other {
		s.other[i] = "other"
	}
	return s
}

// seriesKey is at most five labels: an array compares without making a string of them.
type seriesKey [5]string

func (s *series) count(labels ...string) {
	var key seriesKey
	copy(key[:], labels)
	counter, ok := s.known.Load(key)
	if !ok {
		counter = s.add(key, labels)
	}
	counter.(prometheus.Counter).Inc()
}

// add makes a counter, of labels in UTF-8: a policy's name may be anything, and the exposition format
// is UTF-8 alone. Two that add the same labels at once get the same one, and count it twice
// towards the bound, which is none the worse for it.
func (s *series) add(key seriesKey, labels []string) prometheus.Counter {
	if s.n.Add(1) > MaxSeries {
		s.n.Add(-1)
		return s.WithLabelValues(s.other...)
	}
	for i := range labels {
		labels[i] = strings.ToValidUTF8(labels[i], "\uFFFD")
	}
	counter := s.WithLabelValues(labels...)
	s.known.Store(key, counter)
	return counter
}
