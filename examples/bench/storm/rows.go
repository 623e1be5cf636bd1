package storm

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/wsverdict/wsverdict/examples/bench"
)

// Sizes are how many clients a storm has.
type Sizes struct{ Handshakes, Silent, Slow, Restart int }

// Full and Short are the sizes of a report. A silent flood is thrice its size.
var (
	Full  = Sizes{Handshakes: 3000, Silent: 1000, Slow: 2000, Restart: 5000}
	Short = Sizes{Handshakes: 1000, Silent: 1000, Slow: 2000, Restart: 5000}
)

var handshakeColumns = []string{"cpu-µs", "hs/s", "p50-µs", "p99-µs", "peak-MB", "told-%"}

// Rows returns the storms.
func Rows(n Sizes) []bench.Row {
	rows := []bench.Row{
		handshakes("storm-hs256", "A storm of admissions, HS256", storm{alg: "HS256", life: good, want: admitted}, n,
			"A user for each token, and everybody stays connected. "+units),
		handshakes("storm-es256", "A storm of admissions, ES256", storm{alg: "ES256", life: good, want: admitted}, n, ""),
		handshakes("storm-rs256", "A storm of admissions, RS256", storm{alg: "RS256", life: good, want: admitted}, n, ""),
		handshakes("storm-seen-hs256", "A storm of admissions with tokens seen before, HS256", storm{alg: "HS256", life: good, want: admitted, seen: true}, n,
			"Everybody was connected before, as when a network comes back: the server has verified every token once. With JWTConfig.Remember wsverdict knows them."),
		handshakes("storm-seen-es256", "A storm of admissions with tokens seen before, ES256", storm{alg: "ES256", life: good, want: admitted, seen: true}, n, ""),
		handshakes("storm-seen-rs256", "A storm of admissions with tokens seen before, RS256", storm{alg: "RS256", life: good, want: admitted, seen: true}, n, ""),
		handshakes("storm-expired", "A storm of expired tokens", storm{alg: "HS256", life: expired, want: codeExpired}, n,
			"Everybody is refused by a close frame, answers it and waits for the server's end of the connection; the latency is until the close frame. gobwas by hand has neither router nor middlewares: what it takes is the kernel's and "+
				"net/http's, but for the token, and whoever waits for the client's close frame cannot take much less."),
		handshakes("storm-seen-expired", "A storm of expired tokens that were refused before", storm{alg: "HS256", life: expired, want: codeExpired, seen: true}, n, ""),
		handshakes("storm-limited", "A storm over the rate limit", storm{alg: "HS256", life: good, want: codeLimited, spent: true}, n, ""),
		handshakes("storm-maintenance", "A storm during maintenance", storm{alg: "HS256", life: good, want: codeMaintenance, maintenance: true}, n, ""),
		flood(n), silent64(n), slow(n), restarting(n),
	}
	return rows
}

const units = "cpu-µs is what the server's process used for each handshake, in user and kernel, hs/s handshakes in a second, p50 and p99 from a client's dialling " +
	"to its answer, 32 clients at a time, peak-MB the most that was resident more than at its start, told-% the clients that saw what was intended."

func handshakes(name, title string, s storm, n Sizes, note string) bench.Row {
	row := bench.Row{Name: name, Title: title, Note: note, Base: gorillaChain, Metric: "cpu-µs", Columns: handshakeColumns, Rounds: 7, Floors: []string{handmade}}
	all, best := libraries, ours.name
	if s.seen {
		all, best = append(slices.Clone(all), remembering), remembering.name
	}
	for _, l := range all {
		row.Cases = append(row.Cases, bench.Case{Name: l.name, Run: running(func() (figures, error) { return s.run(l, n.Handshakes) })})
	}
	row.Targets = []bench.Target{{Case: best, Unit: "cpu-µs", Most: s.share(), Than: bench.EveryPeer}, {Case: best, Unit: "p99-µs", Than: bench.EveryPeer},
		{Case: best, Unit: "told-%", Least: 100}}
	return row
}

// share is what was promised of the CPU time that the best peer takes.
func (s storm) share() float64 {
	switch {
	case s.want != admitted:
		return 0.65
	case s.alg == "HS256":
		return 0.75
	case s.seen:
		return 0.5
	}
	return 1
}

func silent64(n Sizes) bench.Row {
	row := bench.Row{Name: "storm-silent", Title: "Refused clients that never answer", Base: gorillaChain, Metric: "B/client", Rounds: 2, Floors: []string{handmade},
		Columns: []string{"B/client", "KB-flood", "ms-until-gone", "KB-left", "told-%"},
		Note: fmt.Sprintf("%d clients with expired tokens each send 64 KB when the handshake is through, read on for the close frame, never answer it and stay. "+
			"B/client is heap and stack in use after garbage collection for each; then twice as many more come, which is more than wsverdict's cap of 1024, and "+
			"KB-flood is in use for all. ms-until-gone is until the server has let go of everybody, KB-left what it holds more than before. told-%% is of the first %[1]d. A server that closes at once, as gws's does, holds nothing and resets the connection: these clients "+
			"still read what Linux had for them by then, browsers do not (examples/browser).", n.Silent)}
	for _, l := range libraries {
		row.Cases = append(row.Cases, bench.Case{Name: l.name, Run: running(func() (figures, error) { return silence(l, n.Silent) })})
	}
	row.Targets = []bench.Target{{Case: ours.name, Unit: "B/client", Most: 4608}, {Case: ours.name, Unit: "told-%", Least: 100}}
	return row
}

func flood(n Sizes) bench.Row {
	row := bench.Row{Name: "storm-flood", Title: "Connections that stand, in a flood of refusals", Base: gorillaChain, Metric: "p99-µs", Rounds: 5, Floors: []string{handmade},
		Columns: []string{"quiet-p50-µs", "quiet-p99-µs", "paced-p50-µs", "paced-p99-µs", "p50-µs", "p99-µs", "refused/s", "told-%"},
		Note: fmt.Sprintf("%d clients stand, and %d of them ping the server, each again %v behind a pong; then others with expired tokens come: first %d in a second (paced), then %d, %d at a time and as fast as they are refused, "+
			"which is all that the machine has time for. p50 and p99 are from ping to pong, quiet before anybody comes. told-%% are those who stand, still do, and had every ping answered, and the refused who saw the code.",
			staying, talkers, pingPause, steady, n.Handshakes, atATime)}
	for _, l := range libraries {
		row.Cases = append(row.Cases, bench.Case{Name: l.name, Run: running(func() (figures, error) { return flooded(l, n.Handshakes) })})
	}
	row.Targets = []bench.Target{{Case: ours.name, Unit: "p99-µs", Than: bench.EveryPeer}, {Case: ours.name, Unit: "paced-p99-µs", Than: bench.EveryPeer},
		{Case: ours.name, Unit: "told-%", Least: 100}}
	return row
}

func slow(n Sizes) bench.Row {
	row := bench.Row{Name: "storm-slow", Title: "Slow handshakes", Base: gorillaChain, Metric: "p99-µs", Rounds: 2, Floors: []string{handmade},
		Columns: []string{"p50-µs", "p99-µs", "B/slow", "told-%"},
		Note: fmt.Sprintf("%d handshakes at once that arrive in %d pieces, one every %v; meanwhile other clients connect and leave, %d at a time, and p50 and p99 are theirs. B/slow is what the server "+
			"holds for each that it has not read to the end: net/http's, on every server alike.", n.Slow, slowPieces, slowPause, beside)}
	for _, l := range libraries {
		row.Cases = append(row.Cases, bench.Case{Name: l.name, Run: running(func() (figures, error) { return slowness(l, n.Slow) })})
	}
	row.Targets = []bench.Target{{Case: ours.name, Unit: "p99-µs", Than: bench.EveryPeer}, {Case: ours.name, Unit: "told-%", Least: 100}}
	return row
}

func restarting(n Sizes) bench.Row {
	timelines := map[string][]float64{}
	var clients []string
	row := bench.Row{Name: "storm-restart", Title: "A restart under thousands of connections", Base: gorillaChain, Metric: "busiest/s", Rounds: 1, Floors: []string{handmade},
		Columns: []string{"busiest/s", "attempts", "ms-median", "ms-until-back", "p99-µs", "cpu-µs", "told-%", "back-%"},
		Series:  func(name string) []float64 { return timelines[name] }, SeriesStep: window}
	for _, l := range libraries {
		clients = append(clients, l.name+": "+l.dials.name)
		row.Cases = append(row.Cases, bench.Case{Name: l.name, Run: running(func() (figures, error) {
			r, err := restart(l, n.Restart)
			if err != nil {
				return nil, err
			}
			timelines[l.name] = r.timeline
			return r.figures, nil
		})})
	}
	row.Note = fmt.Sprintf("%d clients are connected when the server is told to end, and another starts at the same address %v after its process has gone. wsverdict's Shutdown (%v) and centrifuge's send close frames first; the others' "+
		"processes just end, since http.Server.Shutdown knows nothing of hijacked connections. Clients come back as those that people use do (%s). busiest/s is the busiest tenth of a second, attempts how many each client needed, "+
		"ms-median and ms-until-back from the order to end until half of them and all of them are back. Spreading takes time on purpose: who comes back later meets a server that is not overrun.",
		n.Restart, outage, shutdownTime, strings.Join(clients, "; "))
	row.Targets = []bench.Target{{Case: ours.name, Unit: "p99-µs", Than: bench.EveryPeer}, {Case: ours.name, Unit: "told-%", Least: 100}, {Case: ours.name, Unit: "back-%", Least: 100}}
	return row
}

// running is the case that runs a storm once.
func running(run func() (figures, error)) func(*testing.B) {
	return func(b *testing.B) {
		for b.Loop() {
			f, err := run()
			if f == nil {
				b.Fatal(err)
			}
			for unit, value := range f {
				b.ReportMetric(value, unit)
			}
		}
	}
}
