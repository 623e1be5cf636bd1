package storm

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	slowPieces = 6
	slowPause  = 300 * time.Millisecond // between two of them
	beside     = 4                      // other clients at a time
)

// slowness is n handshakes that arrive in pieces, all at once, while other clients come as fast as ever.
func slowness(l library, n int) (figures, error) {
	tokens := issuers["HS256"]().tokens(n, good)
	r, err := storm{alg: "HS256"}.start(l)
	if err != nil {
		return nil, err
	}
	defer r.Kill()
	idle, err := r.Ask("usage")
	if err != nil {
		return nil, err
	}
	warm := newCrowd(r, l.dials, tokens[:min(n, 200)])
	warm.connect(admitted)
	warm.leave()
	if idle, err = settle(r, idle); err != nil {
		return nil, err
	}
	slow := newSlow(r.Addr, tokens, l.dials)
	slow.send(0)
	reading, err := r.Ask("collect")
	if err != nil {
		return nil, err
	}
	var done atomic.Bool
	var workers sync.WaitGroup
	others := newCrowd(r, l.dials, nil)
	for worker := range beside {
		workers.Go(func() {
			for i := worker; !done.Load(); i += beside {
				begun := time.Now()
				c, got, err := connected(r.Addr, tokens[i%n], l.dials, admitted)
				if others.note(time.Since(begun), nil, got, admitted, err); err == nil {
					c.leave()
				}
			}
		})
	}
	pause := time.NewTicker(slowPause)
	defer pause.Stop()
	for piece := 1; piece < slowPieces; piece++ {
		<-pause.C
		slow.send(piece)
	}
	done.Store(true)
	workers.Wait()
	let := slow.finish(tokens, l.dials)
	left, err := settle(r, idle)
	if err != nil {
		return nil, err
	}
	return figures{
		"p50-µs": percentile(others.times, 50),
		"p99-µs": percentile(others.times, 99),
		"B/slow": float64(reading.InUse-idle.InUse) / float64(n),
		"told-%": 100 * float64(let+others.told) / float64(n+len(others.times)),
		"left":   float64(left.Goroutines - idle.Goroutines),
	}, nil
}

// slowClients send their handshakes piece by piece.
type slowClients struct {
	clients  []*client // nil for who could not connect
	requests [][]byte
}

func newSlow(addr string, tokens []string, d dialect) *slowClients {
	s := &slowClients{make([]*client, len(tokens)), make([][]byte, len(tokens))}
	atOnce(len(tokens), atATime, func(i int) {
		s.requests[i] = handshakeOf(tokens[i], d)
		s.clients[i], _ = dialOnly(addr)
	})
	return s
}

func (s *slowClients) send(piece int) {
	for i, c := range s.clients {
		if c != nil {
			size := len(s.requests[i])
			c.conn.Write(s.requests[i][size*piece/slowPieces : size*(piece+1)/slowPieces])
		}
	}
}

// finish returns how many were admitted, and ends their connections.
func (s *slowClients) finish(tokens []string, d dialect) int {
	var let atomic.Int64
	atOnce(len(s.clients), atATime, func(i int) {
		c := s.clients[i]
		if c == nil || c.head(false) != nil {
			return
		}
		if got, err := c.outcome(tokens[i], d, admitted); err == nil && got == admitted {
			let.Add(1)
		}
		c.leave()
	})
	return int(let.Load())
}
