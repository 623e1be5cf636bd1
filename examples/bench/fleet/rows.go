package fleet

import (
	"fmt"
	"testing"

	"github.com/wsverdict/wsverdict/examples/bench"
	"github.com/wsverdict/wsverdict/examples/internal/redisserver"
)

// Sizes are how much is done in a run.
type Sizes struct {
	Takes      int // tokens
	Handshakes int
	Counted    int // further handshakes, whose commands are counted
	Bans       int
	Standing   int // connections that no ban is about
	Kept       int // buckets, seats, bans
}

// Full and Short are the sizes of a report.
var (
	Full  = Sizes{Takes: 20_000, Handshakes: 3000, Counted: 320, Bans: 200, Standing: 1000, Kept: 20_000}
	Short = Sizes{Takes: 5000, Handshakes: 640, Counted: 128, Bans: 50, Standing: 100, Kept: 5000}
)

// Rows returns what is measured.
func Rows(n Sizes) []bench.Row {
	return []bench.Row{takes(n), admissions(n), refusals(n), bans(n), kept(n)}
}

func takes(n Sizes) bench.Row {
	row := bench.Row{Name: "fleet-take", Title: "A fleet: limiters on the same Redis", Base: "redis_rate", Metric: "each-µs", Rounds: 7,
		Columns: []string{"takes/s", "each-µs", "p50-µs", "p99-µs", "cpu-µs", "redis-cpu-µs"},
		Note: fmt.Sprintf("%d tokens, one at a time, of %d keys in turn, nobody denied, asked for by %d goroutines of one process. each-µs is the wall clock's over all of them, p50 and p99 what one waits, cpu-µs what the asking process used for each, "+
			"and redis-cpu-µs what Redis did. wsverdict and redis_rate run one script for a token; httprate counts in two round trips. With TokensAhead limits are not exact to the token (docs/fleet.md): its row is no rival of the others.",
			n.Takes, manyKeys, askers),
		Targets: []bench.Target{{Case: "wsverdict", Unit: "each-µs", Than: bench.EveryPeer}, {Case: "wsverdict", Unit: "p99-µs", Than: bench.EveryPeer}}}
	for _, l := range limiters {
		row.Cases = append(row.Cases, onRedis(l.name, func(addr string) (figures, error) { return l.take(addr, n.Takes) }))
	}
	return row
}

var handshakeColumns = []string{"commands", "later", "cpu-µs", "redis-cpu-µs", "hs/s", "p50-µs", "p99-µs", "told-%"}

const (
	inMemory   = "wsverdict, in memory"
	inFleet    = "wsverdict, in a fleet"
	everything = "wsverdict, limit, seats, bans and maintenance"
	withAhead  = "wsverdict, the same with TokensAhead"
)

func admissions(n Sizes) bench.Row {
	row := bench.Row{Name: "fleet-handshake", Title: "A fleet: what a handshake costs", Base: inMemory, Metric: "cpu-µs", Columns: handshakeColumns, Rounds: 7,
		Note: fmt.Sprintf("%d handshakes of %d users who come again and again, %d at a time; each is admitted and leaves. commands are those that a handshake waits for and later those that nobody does (a seat is given back), as Redis's MONITOR shows them in "+
			"%d further handshakes. What a process asks by the clock is not among them: two commands a second for bans and maintenance, 64 for its leases each third of SeatLease. cpu-µs is what the server's process used for a handshake and its end, redis-cpu-µs what Redis "+
			"did, p50 and p99 are from dialling to the 101. In memory is the same chain on one server: limit, seats and maintenance; the first of the others have what they name alone. TokensAhead is %d.",
			n.Handshakes, users, atATime, n.Counted, tokensAhead),
		Targets: []bench.Target{{Case: everything, Unit: "commands", Most: 1}, {Case: withAhead, Unit: "commands", Most: 1.1},
			{Case: everything, Unit: "told-%", Least: 100}}}
	for _, c := range []struct {
		name string
		order
	}{
		{inMemory, order{Memory: true, Limit: true, Seats: true, Bans: true}},
		{"wsverdict, bans and maintenance", order{Bans: true}},
		{"wsverdict, limit", order{Limit: true}},
		{"wsverdict, limit with TokensAhead", order{Limit: true, TokensAhead: tokensAhead}},
		{"wsverdict, seats", order{Seats: true}},
		{everything, order{Limit: true, Seats: true, Bans: true}},
		{withAhead, order{Limit: true, Seats: true, Bans: true, TokensAhead: tokensAhead}},
	} {
		row.Cases = append(row.Cases, onRedis(c.name, func(addr string) (figures, error) { return handshakes(addr, c.order, n) }))
	}
	return row
}

func refusals(n Sizes) bench.Row {
	row := bench.Row{Name: "fleet-refused", Title: "A fleet: handshakes that are refused over and over", Base: inMemory, Metric: "cpu-µs", Columns: handshakeColumns, Rounds: 7,
		Note: "The same, with a limit that is spent: everybody is refused by a close frame, and answers it. Whose wait is known is not asked about.",
		Targets: []bench.Target{{Case: inFleet, Unit: "commands", Most: 0},
			{Case: inFleet, Unit: "told-%", Least: 100}}}
	for _, name := range []string{inMemory, inFleet} {
		o := order{Memory: name == inMemory, Limit: true, Seats: true, Bans: true, Spent: true}
		row.Cases = append(row.Cases, onRedis(name, func(addr string) (figures, error) { return handshakes(addr, o, n) }))
	}
	return row
}

func bans(n Sizes) bench.Row {
	row := bench.Row{Name: "fleet-ban", Title: fmt.Sprintf("A fleet: the slowest of %d bans", n.Bans), Base: "wsverdict, 2 servers", Metric: "ms-max", Rounds: 1,
		Columns: []string{"ms-p50", "ms-p99", "ms-max", "in-200ms-%", "told-%"},
		Note: fmt.Sprintf("%d users with a connection to each server are banned one after the other, each time on another server, beside %d connections that stay. A ban takes from the moment at which a server is told until the clients of all servers have the close frame. "+
			"in-200ms-%% are the bans that took no longer than 200 ms, told-%% the connections that read 4403 banned.", n.Bans, n.Standing)}
	for _, servers := range []int{2, 5} {
		name := fmt.Sprintf("wsverdict, %d servers", servers)
		row.Cases = append(row.Cases, onRedis(name, func(addr string) (figures, error) { return ban(addr, servers, n) }))
		row.Targets = append(row.Targets, bench.Target{Case: name, Unit: "ms-max", Most: 200})
	}
	return row
}

func kept(n Sizes) bench.Row {
	row := bench.Row{Name: "fleet-kept", Title: "A fleet: what is kept", Base: things[0].name, Metric: "B/redis", Columns: []string{"B/redis", "B/server"}, Rounds: 3,
		Note: fmt.Sprintf("%d users of one each, their ids eight characters long. B/redis is Redis's used_memory for each, its key included, B/server heap and stacks in use for each on the server that asked, after garbage collection; a ban is in that of every server.", n.Kept)}
	for _, t := range things {
		row.Cases = append(row.Cases, onRedis(t.name, func(addr string) (figures, error) { return t.keep(addr, n.Kept) }))
	}
	return row
}

// figures are what a run reports, by unit.
type figures map[string]float64

// onRedis is the case that does something once, on a Redis of its own.
func onRedis(name string, run func(addr string) (figures, error)) bench.Case {
	return bench.Case{Name: name, Run: func(b *testing.B) {
		for b.Loop() {
			addr, stop, err := redisserver.Start()
			if err != nil {
				b.Fatal(err)
			}
			f, err := run(addr)
			stop()
			if err != nil {
				b.Fatal(err)
			}
			for unit, value := range f {
				b.ReportMetric(value, unit)
			}
		}
	}}
}
