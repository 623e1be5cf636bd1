package broadcast

import (
	"fmt"
	"net/http"
)

// A library is a server as people build it with one.
type library struct {
	name string
	make func() server
}

// A server admits everybody to one room. send sends to all of them; it is called by one goroutine.
type server struct {
	handler http.Handler
	send    func(message []byte) error
	slow    func() uint64 // how many it has closed because they do not read; nil where it does not tell
}

var libraries = []library{ours, hub, gwsBroadcaster, melodies}

func findLibrary(name string) (library, error) {
	for _, l := range libraries {
		if l.name == name {
			return l, nil
		}
	}
	return library{}, fmt.Errorf("broadcast: no library %q", name)
}
