// Package bench measures wsverdict beside gobwas/ws, gorilla/websocket, coder/websocket and gws: the same work in one run,
// everybody at their defaults.
//
//	go test -bench . ./examples/bench            every case once
//	go run ./examples/bench/report               all cases, the storms, broadcasts and fleets of the packages beside this one too, many rounds in mixed order; writes docs/performance.md
//	go run ./examples/bench/report -short -o -   fewer rounds, printed
//
// Where goroutines wait for each other:
//
//	go test -run xxx -bench Benchmark/contention -cpu 1,2,4,8,16,64 -mutexprofile mutex.out ./examples/bench
//
// In memory a request that a browser sent is replayed on a ResponseWriter that can be hijacked again and again ([fakeWriter]). What it
// costs is in every figure of a row, and is that row's floor. Where thousands of connections are held, server and clients are processes of
// their own ([Roles]). Timing fails no test; what was promised about allocations does.
package bench

import (
	"testing"
	"time"
)

// A Row is a set of cases that do the same work.
type Row struct {
	Name  string
	Title string
	Note  string // what is in the timed part
	Base  string // the case that the others are compared with

	Metric    string   // what is compared, if not the time: the unit in which the cases report it
	Columns   []string // these units are shown, instead of time and allocations
	PerSecond bool     // show operations per second too
	Rounds    int      // at most so many, where one takes long
	Floors    []string // cases that are yardsticks, not peers

	Series     func(name string) []float64 // a case's last run over time, for a plot
	SeriesStep time.Duration

	Targets []Target
	Cases   []Case
}

// A Target is what was promised of a case.
type Target struct {
	Case string
	Unit string  // "ns/op", "allocs/op" or one of the row's own
	Most float64 // of that unit, or what Than says
	Than string  // a case: Most is a ratio to it
	More string  // a case: Most is an addition to it

	Least float64 // if given, all that counts: of that unit at least
}

// EveryPeer as a target's Than is the best of the row's cases that are neither this library's nor floors. Most 0 is 1: to be first.
const EveryPeer = "every peer"

// A Case is one way to do a row's work.
type Case struct {
	Name string
	Run  func(b *testing.B)
}

// Rows returns all rows.
func Rows() []Row {
	return []Row{
		closeFrame("close", "A denial becomes a close frame, no outer headers", 0,
			Target{Case: "wsverdict", Unit: "ns/op", Most: 1, Than: checkedByHand},
			Target{Case: "wsverdict", Unit: "allocs/op", Most: 0},
			Target{Case: "wsverdict, the linger handed over", Unit: "allocs/op", Most: 0}),
		closeFrame("close3", "The same with 3 headers set by outer middlewares", 3,
			Target{Case: "wsverdict", Unit: "ns/op", Most: 1, Than: "gobwas"}),
		closeFrame("close8", "The same with 8 of them", 8,
			Target{Case: "wsverdict", Unit: "ns/op", Most: 0.7, Than: "gobwas"}),
		status(),
		chain(),
		whole("whole", "HS256", Target{Case: "wsverdict", Unit: "ns/op", Most: 6500}, Target{Case: "wsverdict", Unit: "allocs/op", Most: 60}),
		whole("whole-es256", "ES256"),
		whole("whole-rs256", "RS256"),
		limiters(),
		sockets(),
		idle(),
		contention(),
		crowded(),
		ending(),
		shutdown(),
		echoing("echo128", "Echo of 128 B, one message under way", smallEcho, 1),
		echoing("echo128x16", "Echo of 128 B, 16 under way", smallEcho, echoWindow),
		echoing("echo16k", "Echo of 16 KB, one message under way", largeEcho, 1),
		echoing("echo16kx16", "Echo of 16 KB, 16 under way", largeEcho, echoWindow),
	}
}
