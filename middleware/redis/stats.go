package fleet

import (
	"sync/atomic"
	"time"
)

// Stats is what a Fleet counted in this process since [New], and how it is. It is fit for metrics:
// every field is a number.
type Stats struct {
	Commands uint64 // that handshakes, and calls such as Revoke, waited for
	Skipped  uint64 // not sent, because Redis had failed several times in a row
	Errors   uint64 // as OnError got them

	RatesLocally uint64 // questions to the Limiter that were answered without a round trip
	Entries      uint64 // of the stream that were applied

	Seats       int           // that this process holds
	Revocations int           // that it knows
	Unavailable bool          // Redis has failed several times in a row
	Silence     time.Duration // since the stream was last read; -1 if it never was
}

type counts struct {
	commands, skipped, errors, local, entries atomic.Uint64
}

// Stats returns the counts so far.
func (f *Fleet) Stats() Stats {
	return Stats{
		Commands: f.counts.commands.Load(), Skipped: f.counts.skipped.Load(), Errors: f.counts.errors.Load(),
		RatesLocally: f.counts.local.Load(), Entries: f.counts.entries.Load(),
		Seats: f.seats.held(), Revocations: f.revocations.len(),
		Unavailable: f.lanes.open(), Silence: f.stream.silence(),
	}
}
