package promupgrade

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

var (
	connections = describe("connections", "Connections that were admitted and are not gone yet.")
	lingering   = describe("lingering_connections", "Refused connections that wait for the client's close frame.")
	seats       = describe("seats", "Places that live connections take.")
	closed      = describe("connections_closed_total", "Connections that are gone.", "code", "by")
)

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("wsverdict_"+name, help, labels, nil)
}

func (m *Metrics) collectors() []prometheus.Collector {
	return []prometheus.Collector{m.handshakes, m.shadowed, m.handshake, m.connection, m.messages, m.bytes, m.panics}
}

// Describe tells what Collect may send.
func (m *Metrics) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{connections, lingering, seats, closed} {
		to <- d
	}
	for _, c := range m.collectors() {
		c.Describe(to)
	}
}

// Collect sends what was counted, and a snapshot of the Upgrader.
func (m *Metrics) Collect(to chan<- prometheus.Metric) {
	stats := m.up.Stats()
	gauge := func(d *prometheus.Desc, n int) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(n))
	}
	gauge(connections, stats.Live)
	gauge(lingering, stats.Lingering)
	gauge(seats, stats.Seats)
	for _, e := range stats.Ended {
		to <- prometheus.MustNewConstMetric(closed, prometheus.CounterValue, float64(e.Count),
			strconv.Itoa(int(e.CloseCode)), e.By.String())
	}
	for _, c := range m.collectors() {
		c.Collect(to)
	}
}
