package storm

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"
)

const (
	talkers    = 8                    // admitted clients, of those who stay, that ping at a time
	pingPause  = 2 * time.Millisecond // of each, behind a pong
	quietTime  = time.Second
	steady     = 1000 // refusals in a second that leave the machine time
	staying    = 200  // clients that were admitted before the flood
	pongOpCode = byte(ws.OpPong)
)

var maskedPing = ws.MustCompileFrame(ws.MaskFrame(ws.NewPingFrame([]byte("how long?"))))

// flooded is a flood of n refused handshakes beside connections that stand: how long these wait for the answer to a ping, before
// it, beside a steady stream of refusals, and in the flood.
func flooded(l library, n int) (figures, error) {
	i := issuers["HS256"]()
	r, err := storm{alg: "HS256"}.start(l)
	if err != nil {
		return nil, err
	}
	defer r.Kill()
	idle, err := r.Ask("usage")
	if err != nil {
		return nil, err
	}
	inside := newCrowd(r, l.dials, i.tokens(staying, good))
	inside.connect(admitted)
	if len(inside.held) < talkers {
		return nil, errors.New("storm: too few were admitted")
	}
	var over atomic.Bool
	calm := talk(inside.held[:talkers], &over)
	time.Sleep(quietTime)
	over.Store(true)
	quiet, unanswered := calm()

	pace := time.NewTicker(time.Second / steady)
	defer pace.Stop()
	told := 0
	during := func(tokens []string, pace <-chan time.Time) (times []time.Duration, took time.Duration) {
		flood := newCrowd(r, l.dials, tokens)
		flood.pace = pace
		over.Store(false)
		busy := talk(inside.held[:talkers], &over)
		begun := time.Now()
		flood.connect(codeExpired)
		took = time.Since(begun)
		over.Store(true)
		times, missed := busy()
		unanswered += missed
		told += flood.told
		return times, took
	}
	few := min(n, steady)
	beside, _ := during(i.tokens(few, expired), pace.C)
	meanwhile, took := during(i.tokens(n, expired), nil)

	stand := inside.stand()
	inside.leave()
	left, err := settle(r, idle)
	if err != nil {
		return nil, err
	}
	return figures{
		"quiet-p50-µs": percentile(quiet, 50),
		"quiet-p99-µs": percentile(quiet, 99),
		"paced-p50-µs": percentile(beside, 50),
		"paced-p99-µs": percentile(beside, 99),
		"p50-µs":       percentile(meanwhile, 50),
		"p99-µs":       percentile(meanwhile, 99),
		"refused/s":    float64(n) / took.Seconds(),
		"told-%":       100 * float64(told+stand-unanswered) / float64(n+few+staying),
		"left":         float64(left.Goroutines - idle.Goroutines),
	}, nil
}

// talk has clients ping until it is over. The function that it returns waits for them, and says how long each pong took, and how
// many clients got none.
func talk(clients []*client, over *atomic.Bool) func() (times []time.Duration, unanswered int) {
	var mu sync.Mutex
	var all []time.Duration
	var missed int
	var talking sync.WaitGroup
	for _, c := range clients {
		talking.Go(func() {
			times, err := c.ping(over)
			mu.Lock()
			defer mu.Unlock()
			if all = append(all, times...); err != nil {
				missed++
			}
		})
	}
	return func() ([]time.Duration, int) {
		talking.Wait()
		return all, missed
	}
}

func (c *client) ping(over *atomic.Bool) (times []time.Duration, err error) {
	c.conn.SetDeadline(time.Now().Add(clientPatience))
	for !over.Load() {
		begun := time.Now()
		if _, err := c.conn.Write(maskedPing); err != nil {
			return times, err
		}
		for {
			head, _, err := c.frame()
			if err != nil {
				return times, err
			}
			if head&0x0f == pongOpCode {
				break
			}
		}
		times = append(times, time.Since(begun))
		time.Sleep(pingPause)
	}
	return times, nil
}
