package storm

import (
	"fmt"
	"time"
)

// A storm is many handshakes that all have the same outcome.
type storm struct {
	alg         string
	life        time.Duration // of the tokens
	maintenance bool
	spent       bool // the rate limit
	want        int
	seen        bool // the server has verified every token before
}

// start starts the server for the storm, and has some clients come before it is measured.
func (s storm) start(l library) (*remote, error) {
	i := issuers[s.alg]()
	r, err := start(order{Library: l.name, Alg: s.alg, Verifies: i.verifies, Maintenance: s.maintenance, Spent: s.spent})
	if err != nil {
		return nil, err
	}
	if s.spent {
		c, got, err := connected(r.Addr, i.tokens(1, good)[0], l.dials, admitted)
		if err != nil || got != admitted {
			r.Kill()
			return nil, fmt.Errorf("storm: %s: the one handshake that its limit allows: %d, %v", l.name, got, err)
		}
		c.leave()
	}
	return r, nil
}

// run is the storm with n clients.
func (s storm) run(l library, n int) (figures, error) {
	tokens := issuers[s.alg]().tokens(n, s.life)
	r, err := s.start(l)
	if err != nil {
		return nil, err
	}
	defer r.Kill()
	idle, err := r.Ask("usage")
	if err != nil {
		return nil, err
	}
	early := tokens[:min(n, 200)]
	if s.seen {
		early = tokens
	}
	warm := newCrowd(r, l.dials, early)
	warm.connect(s.want)
	warm.leave()
	before, err := r.Ask("usage")
	if err != nil {
		return nil, err
	}
	all := newCrowd(r, l.dials, tokens)
	begun := time.Now()
	all.connect(s.want)
	took := time.Since(begun)
	after, err := r.Ask("usage")
	if err != nil {
		return nil, err
	}
	told := all.told
	if s.want == admitted {
		told = min(told, all.stand())
	}
	all.leave()
	left, err := settle(r, idle)
	if err != nil {
		return nil, err
	}
	if told < n {
		err = fmt.Errorf("storm: %s: %d of %d clients saw %d, the others %v", l.name, told, n, s.want, all.other)
	}
	return figures{
		"cpu-µs":  micro(after.CPU-before.CPU) / float64(n),
		"hs/s":    float64(n) / took.Seconds(),
		"p50-µs":  percentile(all.times, 50),
		"p99-µs":  percentile(all.times, 99),
		"peak-MB": float64(after.Peak-idle.Resident) / mB,
		"told-%":  100 * float64(told) / float64(n),
		"left":    float64(left.Goroutines - idle.Goroutines),
		"left-MB": float64(left.InUse-idle.InUse) / mB,
	}, err
}

const (
	settling = time.Minute // much longer than anybody's wait for a close frame, for a machine that is busy
	spare    = 2           // goroutines that the runtime starts when it has cleanups to run (crypto/ecdsa's, for one)
)

// settle waits until the server has as many goroutines as it had, and returns what it then holds; what it holds after
// [settling], if it never does.
func settle(r *remote, idle usage) (u usage, err error) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.Now().Add(settling)
	for {
		if u, err = r.Ask("usage"); err != nil {
			return u, err
		}
		if u.Goroutines <= idle.Goroutines+spare || time.Now().After(deadline) {
			return r.Ask("collect")
		}
		<-tick.C
	}
}
