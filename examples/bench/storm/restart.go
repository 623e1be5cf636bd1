package storm

import (
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

const (
	outage  = 500 * time.Millisecond // between the old process and the new one's start
	window  = 100 * time.Millisecond // of the timeline
	horizon = time.Minute            // who is not back by then is lost
)

// A restarted is a client that comes back after its server went away.
type restarted struct {
	client   *client
	token    string
	temper   float64
	reason   string          // it read when its connection ended
	told     bool            // a close frame
	attempts []time.Duration // since the restart's begin
	back     time.Duration   // 0 for never
	took     time.Duration   // its last handshake
}

// A restart is what happened: the figures, and how many attempts came in each window.
type restartResult struct {
	figures
	timeline []float64
}

// restart has n clients connected to a server that ends, as its library lets it, and is there again a moment later.
func restart(l library, n int) (*restartResult, error) {
	i := issuers["HS256"]()
	tokens := i.tokens(n, good)
	old, err := storm{alg: "HS256"}.start(l)
	if err != nil {
		return nil, err
	}
	defer old.Kill()
	all := newCrowd(old, l.dials, tokens)
	all.connect(admitted)
	clients := make([]*restarted, len(all.held))
	for k, c := range all.held {
		c.conn.SetDeadline(time.Now().Add(2 * horizon))
		clients[k] = &restarted{client: c, token: tokens[k], temper: rand.Float64()}
	}
	begun := time.Now()
	var done sync.WaitGroup
	for _, c := range clients {
		done.Go(func() { c.comeBack(old.Addr, l.dials, begun) })
	}
	if err := old.Send("shutdown"); err != nil {
		return nil, err
	}
	old.Line() // its end
	old.Wait()
	time.Sleep(outage)
	fresh, err := start(order{Library: l.name, Alg: i.alg, Verifies: i.verifies, Addr: old.Addr})
	if err != nil {
		return nil, err
	}
	defer fresh.Kill()
	before, err := fresh.Ask("usage")
	if err != nil {
		return nil, err
	}
	done.Wait()
	after, err := fresh.Ask("usage")
	if err != nil {
		return nil, err
	}
	return summarize(clients, n, after.CPU-before.CPU), nil
}

// comeBack waits for the end of the connection and then connects until it stands.
func (r *restarted) comeBack(addr string, d dialect, begun time.Time) {
	for {
		code, reason, err := r.client.closeFrame()
		if err == nil && code == admitted {
			continue // a message
		}
		if r.told = err == nil; r.told {
			r.reason = reason
			r.client.leave()
		}
		r.client.conn.Close()
		break
	}
	reason := r.reason
	for failed := 0; ; failed++ {
		time.Sleep(d.wait(r.temper, failed, reason))
		at := time.Now()
		if at.Sub(begun) > horizon {
			return
		}
		r.attempts = append(r.attempts, at.Sub(begun))
		c, got, err := connected(addr, r.token, d, admitted)
		if reason = ""; err != nil {
			continue
		}
		defer c.conn.Close()
		if got == admitted {
			r.took, r.back = time.Since(at), time.Since(begun)
			return
		}
	}
}

func summarize(clients []*restarted, n int, cpu time.Duration) *restartResult {
	var back, took []time.Duration
	attempts, told := 0, 0
	timeline := make([]float64, int(horizon/window)+1)
	for _, c := range clients {
		attempts += len(c.attempts)
		for _, at := range c.attempts {
			timeline[int(at/window)]++
		}
		if c.told {
			told++
		}
		if c.back > 0 {
			back, took = append(back, c.back), append(took, c.took)
		}
	}
	last := len(timeline)
	for last > 1 && timeline[last-1] == 0 {
		last--
	}
	f := figures{
		"told-%":    100 * float64(told) / float64(n),
		"back-%":    100 * float64(len(back)) / float64(n),
		"attempts":  float64(attempts) / float64(n),
		"busiest/s": slices.Max(timeline) * float64(time.Second/window),
		"p99-µs":    percentile(took, 99),
	}
	if len(back) > 0 {
		f["ms-until-back"] = milli(slices.Max(back))
		f["ms-median"] = percentile(back, 50) / 1000
		f["cpu-µs"] = micro(cpu) / float64(len(back))
	}
	return &restartResult{f, timeline[:last]}
}
