package bench

import (
	"net/http"
	"runtime/debug"
	"testing"
)

func allocs(h http.Handler, w *fakeWriter, r *http.Request) float64 {
	return testing.AllocsPerRun(1000, func() { h.ServeHTTP(w, r) })
}

// TestNeighboursAllocateNothing: four links that allow add nothing to what the router allocates.
func TestNeighboursAllocateNothing(t *testing.T) {
	router := allocs(routing(), newWriter(nil), newRequest())
	if got := allocs(neighbours(), newWriter(nil), newOrdinary()); got != router {
		t.Errorf("allocations of four links on chi: got %v, want the router's own %v", got, router)
	}
	if got := allocs(neighbours(), newWriter(nil), newRequest()); got > router+1 {
		t.Errorf("allocations for a handshake that a foreign handler gets: got %v, want at most 1 beyond the router's %v", got, router)
	}
}

// TestWholeChainAllocations: a token costs what golang-jwt's parse costs, and little else; one that was seen before costs the
// request that carries its claims, and a copy of these.
func TestWholeChainAllocations(t *testing.T) {
	skipUnderRace(t)
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // a collection empties pools
	for _, tc := range []struct {
		alg            string
		remember, most int
	}{
		{"HS256", 0, 60}, {"HS256", remembered, 6}, {"ES256", remembered, 6}, {"RS256", remembered, 6},
	} {
		s := signatures[tc.alg]()
		if got := allocs(ours(s, tc.remember), newWriter(clientClose), bearer(s)); got > float64(tc.most) {
			t.Errorf("allocations of a whole chain with %s, %d remembered: got %v, want at most %d", tc.alg, tc.remember, got, tc.most)
		}
	}
}

// TestEchoAllocatesNothing: reading into the session's buffer and writing, over real sockets.
func TestEchoAllocatesNothing(t *testing.T) {
	skipUnderRace(t)
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // a collection empties pools
	ours := echoers[len(echoers)-1]
	for _, size := range []int{smallEcho, 1000, largeEcho, 10 * largeEcho} {
		c := newEchoClient(t, serve(t, ours.make()), size, 1)
		for range 10 { // the session's buffer grows, and pools fill
			c.round(t, 1)
		}
		if n := testing.AllocsPerRun(200, func() { c.round(t, 1) }); n != 0 {
			t.Errorf("an echo of %d bytes: %v allocations, want 0", size, n)
		}
	}
}

// TestIdleMemory: a connection more costs at most 4 KB. What the process has once is not counted: it is in both figures. On a busy
// machine some of what a handshake needs is still held, so the least of three measurements is what a connection takes.
func TestIdleMemory(t *testing.T) {
	skipUnderRace(t)
	if testing.Short() {
		t.Skip("it takes some seconds")
	}
	const few, many, most = 1000, 4000, 4096
	if Limit(many) < many {
		t.Skip("too few files may be open")
	}
	total := func(n int) float64 {
		figures, err := runHerd("idle wsverdict", n)
		if err != nil {
			t.Fatal(err)
		}
		return figures["B/conn"] * float64(n)
	}
	var got []float64
	for range 3 {
		each := (total(many) - total(few)) / (many - few)
		if each <= most {
			return
		}
		got = append(got, each)
	}
	t.Errorf("an idle connection takes %.0f B, want at most %d", got, most)
}

func skipUnderRace(t *testing.T) {
	t.Helper()
	info, _ := debug.ReadBuildInfo()
	for _, s := range info.Settings {
		if s.Key == "-race" && s.Value == "true" {
			t.Skip("the race detector takes memory, and makes pools forget")
		}
	}
}
