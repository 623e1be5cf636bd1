// Package metrics gives Prometheus what an Upgrader counts. Its labels are codes and words that the program fixes: no client
// can make up one.
package metrics

import (
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/wsverdict/wsverdict/upgrade"
)

// Handler serves the metrics of up, and of the process.
func Handler(up *upgrade.Upgrader) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(Collector{up}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{Registry: registry})
}

// A Collector is a [prometheus.Collector].
type Collector struct{ Upgrader *upgrade.Upgrader }

var (
	live      = describe("live_connections", "Connections that were admitted and are not gone yet.")
	lingering = describe("lingering_connections", "Refused connections that wait for the client's close frame.")
	seats     = describe("seats_taken", "Seats that live connections take.")
	settled   = describe("settled_total", "Handshakes that were settled; code 0 is an admission.", "code", "outcome")
	ended     = describe("ended_total", "Connections that are gone.", "close_code", "closed_by")
)

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("wsverdict_"+name, help, labels, nil)
}

// Describe tells what Collect may send.
func (Collector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{live, lingering, seats, settled, ended} {
		to <- d
	}
}

// Collect sends a snapshot.
func (c Collector) Collect(to chan<- prometheus.Metric) {
	stats := c.Upgrader.Stats()
	send := func(d *prometheus.Desc, t prometheus.ValueType, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, t, value, labels...)
	}
	send(live, prometheus.GaugeValue, float64(stats.Live))
	send(lingering, prometheus.GaugeValue, float64(stats.Lingering))
	send(seats, prometheus.GaugeValue, float64(stats.Seats))
	for _, s := range stats.Settled {
		send(settled, prometheus.CounterValue, float64(s.Count), strconv.Itoa(int(s.Code)), s.Outcome.String())
	}
	for _, e := range stats.Ended {
		send(ended, prometheus.CounterValue, float64(e.Count), strconv.Itoa(int(e.CloseCode)), e.By.String())
	}
}
