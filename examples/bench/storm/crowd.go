package storm

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// A crowd is many clients of one server, some of them at a time.
type crowd struct {
	r      *remote
	d      dialect
	tokens []string
	pace   <-chan time.Time // if given, each waits for it before it dials

	mu    sync.Mutex
	times []time.Duration // until each was told
	told  int             // saw what was intended
	held  []*client       // connections that stand
	other map[string]int  // what the rest saw
}

const atATime = 32

func newCrowd(r *remote, d dialect, tokens []string) *crowd {
	return &crowd{r: r, d: d, tokens: tokens, other: map[string]int{}}
}

// connect has everybody connect. Who is refused answers the close frame and leaves; the others stay.
func (s *crowd) connect(want int) {
	atOnce(len(s.tokens), atATime, func(i int) {
		if s.pace != nil {
			<-s.pace
		}
		begun := time.Now()
		c, got, err := connected(s.r.Addr, s.tokens[i], s.d, want)
		s.note(time.Since(begun), c, got, want, err)
		if err == nil && got != admitted {
			c.leave()
		}
	})
}

func (s *crowd) note(took time.Duration, c *client, got, want int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.times = append(s.times, took)
	switch {
	case err != nil:
		s.other[err.Error()]++
	case got != want:
		s.other[fmt.Sprint(got)]++
	default:
		s.told++
	}
	if err == nil && got == admitted {
		s.held = append(s.held, c)
	}
}

// stand counts those whose connection stands: an admission that is followed by a close frame was none.
func (s *crowd) stand() (n int) {
	var alive atomic.Int64
	atOnce(len(s.held), atATime, func(i int) {
		if s.held[i].alive() {
			alive.Add(1)
		}
	})
	return int(alive.Load())
}

// leave ends all connections that stand.
func (s *crowd) leave() {
	atOnce(len(s.held), atATime, func(i int) { s.held[i].leave() })
	s.held = nil
}

// atOnce calls do for 0 to n-1, a number of them at a time.
func atOnce(n, atATime int, do func(i int)) {
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(n, atATime) {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				do(i)
			}
		})
	}
	workers.Wait()
}
