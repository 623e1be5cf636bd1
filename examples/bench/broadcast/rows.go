package broadcast

import (
	"fmt"
	"testing"

	"github.com/wsverdict/wsverdict/examples/bench"
)

// Rows returns the broadcasts.
func Rows(s Sizes) []bench.Row {
	row := bench.Row{Name: "broadcast", Title: "A message to thousands, a tenth of whom do not read", Base: hub.name, Metric: "cpu-µs", Rounds: 3,
		Columns: []string{"msg/s", "cpu-µs", "paced-cpu-µs", "p50-µs", "p99-µs", "idle-MB", "peak-MB", "held-MB", "ended-%", "whole-%"},
		Note: fmt.Sprintf("%d clients; one in ten does not read. %d messages of %d bytes follow each other as fast as everybody who reads has them, %d under way (msg/s is what arrives in a second, cpu-µs what the server's process used "+
			"for each), then %d at a pace of one in %v (p50 and p99 are from the server's call to the client's receipt). idle-MB is resident with the idle connections, peak-MB the most that was at any time, and held-MB heap and stacks in use at the end, after "+
			"garbage collection. ended-%% are the connections of those who do not read that the server has closed, and whole-%% the clients that got every message. wsverdict closes whoever is 64 KB behind, after what the kernel took; the hub around "+
			"gorilla closes at 256 messages; gws keeps everything for them; melody drops what comes after 256 messages, and gives up on a write after 10 s.",
			s.Clients, s.Chased, messageSize, window, s.Paced, pause)}
	for _, l := range libraries {
		row.Cases = append(row.Cases, bench.Case{Name: l.name, Run: func(b *testing.B) {
			for b.Loop() {
				figures, err := s.run(l)
				if err != nil {
					b.Fatal(err)
				}
				for unit, value := range figures {
					b.ReportMetric(value, unit)
				}
			}
		}})
	}
	row.Targets = []bench.Target{{Case: ours.name, Unit: "cpu-µs", Than: bench.EveryPeer}, {Case: ours.name, Unit: "p99-µs", Than: bench.EveryPeer},
		{Case: ours.name, Unit: "whole-%", Least: 100}, {Case: ours.name, Unit: "ended-%", Least: 100}}
	return []bench.Row{row}
}
