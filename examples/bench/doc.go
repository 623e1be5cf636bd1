// Package bench measures wsverdict beside gobwas/ws, gorilla/websocket, coder/websocket and gws: the same work in one run,
// everybody at their defaults.
//
//	go test -bench . ./examples/bench         every case once
//	go run ./examples/bench/report            all cases, many rounds in mixed order; prints docs/measured.md
//
// In memory a request that a browser sent is replayed on a ResponseWriter that can be hijacked again and again ([fakeWriter]). What it
// costs is in every figure of a row, and is that row's floor. Timing fails no test; what was promised about allocations does.
package bench

import "testing"

// A Row is a set of cases that do the same work.
type Row struct {
	Name  string
	Title string
	Note  string // what is in the timed part
	Base  string // the case that the others are compared with
	Cases []Case
}

// A Case is one way to do a row's work.
type Case struct {
	Name string
	Run  func(b *testing.B)
}

// Rows returns all rows.
func Rows() []Row {
	return []Row{
		closeFrame("close", "A denial becomes a close frame, no outer headers", 0),
		closeFrame("close3", "The same with 3 headers set by outer middlewares", 3),
		closeFrame("close8", "The same with 8 of them", 8),
		status(),
		chain(),
		whole(),
		limiters(),
		sockets(),
	}
}
