// Package promupgrade gives Prometheus what an Upgrader counts and what its Observer is told.
//
//	up := &upgrade.Upgrader{}
//	metrics := promupgrade.New(up)
//	up.Observer = metrics
//	prometheus.MustRegister(metrics)
//
// Every label is a word or a code that the program fixes: no client can make one up. A slug or a
// policy's name that a program makes up itself, for each request say, cannot fill Prometheus either:
// see [MaxSeries].
//
// dashboard.json, beside this package, is a Grafana dashboard over these metrics.
package promupgrade

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/wsverdict/wsverdict/upgrade"
)

// Metrics are those of one Upgrader: a [prometheus.Collector] and an [upgrade.Observer]. All are safe
// for concurrent use.
//
//	wsverdict_handshakes_total{outcome,code,slug,policy,why}     handshakes by how they were answered; code 0 is an admission
//	wsverdict_handshake_duration_seconds{outcome}                from the deciding policy to the answer
//	wsverdict_shadowed_total{policy,verdict,slug}                judgements of policies on trial
//	wsverdict_connections                                        admitted, and not gone yet
//	wsverdict_connections_closed_total{code,by}                  connections that are gone, by close code and who closed
//	wsverdict_connection_duration_seconds{by}                    how long they lived
//	wsverdict_messages_total{direction}                          messages of connections that are gone, read and written
//	wsverdict_bytes_total{direction}                             their frames, with headers
//	wsverdict_panics_total                                       panics of sessions and policies
//	wsverdict_lingering_connections                              refused, and waiting for the client's close frame
//	wsverdict_seats                                              places taken by connections
//
// An access log and the metrics of a HTTP middleware cannot tell these: a refusal by close frame is a
// 101 there.
type Metrics struct {
	up         *upgrade.Upgrader
	handshakes *series
	shadowed   *series
	handshake  *prometheus.HistogramVec
	connection *prometheus.HistogramVec
	messages   *prometheus.CounterVec
	bytes      *prometheus.CounterVec
	panics     prometheus.Counter
}

// New returns the metrics of up. They are complete once they are its Observer as well
// ([upgrade.Observers] joins several), which must be so before its first route is mounted. It panics
// if up is nil.
func New(up *upgrade.Upgrader) *Metrics {
	if up == nil {
		panic("promupgrade: New: the Upgrader is nil")
	}
	histogram := func(name, help string, buckets []float64, label string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "wsverdict", Name: name, Help: help, Buckets: buckets}, []string{label})
	}
	return &Metrics{
		up: up,
		handshakes: newSeries("handshakes_total", "Handshakes by how they were answered; code 0 is an admission.",
			"outcome", "code", "slug", "policy", "why"),
		shadowed: newSeries("shadowed_total", "Judgements of policies on trial, which are not enforced.",
			"policy", "verdict", "slug"),
		handshake: histogram("handshake_duration_seconds", "From entering the deciding policy until the answer was written.",
			prometheus.ExponentialBuckets(0.0001, 4, 9), "outcome"), // 0.1 ms to 6.5 s
		connection: histogram("connection_duration_seconds", "How long connections lived.",
			[]float64{0.1, 1, 10, 60, 300, 900, 3600, 4 * 3600, 12 * 3600, 24 * 3600}, "by"),
		messages: newCounters("messages_total", "Messages of connections that are gone.", "direction"),
		bytes:    newCounters("bytes_total", "Bytes of frames, with their headers, of connections that are gone.", "direction"),
		panics: prometheus.NewCounter(prometheus.CounterOpts{Namespace: "wsverdict", Name: "panics_total",
			Help: "Panics of sessions and policies."}),
	}
}

func newCounters(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "wsverdict", Name: name, Help: help}, labels)
}
