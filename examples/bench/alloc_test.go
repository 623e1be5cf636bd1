package bench

import (
	"net/http"
	"testing"
)

func allocs(h http.Handler, w *fakeWriter, r *http.Request) float64 {
	return testing.AllocsPerRun(1000, func() { h.ServeHTTP(w, r) })
}

// TestNeighboursAllocateNothing: four links that allow add nothing to what the router allocates.
func TestNeighboursAllocateNothing(t *testing.T) {
	router := allocs(routing(), newWriter(nil), newRequest())
	if got := allocs(neighbours(), newWriter(nil), newRequest()); got != router {
		t.Errorf("allocations of four links on chi: got %v, want the router's own %v", got, router)
	}
}

// TestWholeChainAllocations: a token costs what golang-jwt's parse costs (53), and little else.
func TestWholeChainAllocations(t *testing.T) {
	const most = 60
	if got := allocs(ours(), newWriter(clientClose), bearer()); got > most {
		t.Errorf("allocations of a whole chain with HS256: got %v, want at most %d", got, most)
	}
}
