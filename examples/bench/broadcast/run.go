package broadcast

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wsverdict/wsverdict/examples/bench/internal/child"
	"github.com/wsverdict/wsverdict/examples/bench/internal/process"
)

// Sizes are how large a broadcast is.
type Sizes struct {
	Clients int // one in ten does not read
	Chased  int // messages that are sent as fast as they arrive
	Paced   int // messages that are sent at a pace
}

// Full and Short are the sizes of a report.
var (
	Full  = Sizes{Clients: 5000, Chased: 500, Paced: 60}
	Short = Sizes{Clients: 1000, Chased: 500, Paced: 40}
)

const (
	window  = 4                      // chased messages that are under way
	pause   = 200 * time.Millisecond // between paced messages
	gone    = 15 * time.Second       // what has not come by then does not come
	atATime = 32                     // clients that connect
)

// A room is a server with its clients.
type room struct {
	server   *child.Remote[process.Usage]
	fast     []*client
	slow     []*client
	received []atomic.Int64 // by how many fast clients, by the message's number
	complete chan struct{}  // one for each message that all of them have
	had      int            // from complete
	chased   int64
	mu       sync.Mutex
	times    []time.Duration // of paced messages
	readers  sync.WaitGroup
}

// run measures a library, and returns figures by unit.
func (s Sizes) run(l library) (map[string]float64, error) {
	r, err := open(l, s)
	if err != nil {
		return nil, err
	}
	defer r.close()
	return r.measure(s)
}

func (r *room) measure(s Sizes) (map[string]float64, error) {
	idle, err := r.server.Ask("collect")
	if err != nil {
		return nil, err
	}
	r.listen()
	begun := time.Now()
	for sent := range s.Chased {
		if !r.await(sent - window + 1) {
			break
		}
		if err := r.server.Send("send"); err != nil {
			return nil, err
		}
	}
	r.await(s.Chased)
	took, received := time.Since(begun), r.sum()
	chased, err := r.server.Ask("usage")
	if err != nil {
		return nil, err
	}
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for range s.Paced {
		<-tick.C
		if err := r.server.Send("send"); err != nil {
			return nil, err
		}
	}
	if r.had == s.Chased { // else somebody is gone
		r.await(s.Chased + s.Paced)
	}
	paced, err := r.server.Ask("usage")
	if err != nil {
		return nil, err
	}
	held, err := r.server.Ask("collect")
	if err != nil {
		return nil, err
	}
	r.leave()
	whole := 0
	for _, c := range r.fast {
		if !c.missed && c.last == int64(s.Chased+s.Paced) {
			whole++
		}
	}
	slices.Sort(r.times)
	return map[string]float64{
		"msg/s":        float64(received) / took.Seconds(),
		"cpu-µs":       micro(chased.CPU-idle.CPU) / float64(max(1, received)),
		"paced-cpu-µs": micro(paced.CPU-chased.CPU) / float64(max(1, r.sum()-received)),
		"p50-µs":       micro(percentile(r.times, 50)),
		"p99-µs":       micro(percentile(r.times, 99)),
		"idle-MB":      float64(idle.Resident) / mB,
		"peak-MB":      float64(paced.Peak) / mB,
		"held-MB":      float64(held.InUse) / mB,
		"grown-MB":     float64(held.InUse-idle.InUse) / mB,
		"ended-%":      100 * float64(idle.Files-held.Files) / float64(len(r.slow)),
		"whole-%":      100 * float64(whole) / float64(len(r.fast)),
	}, nil
}

const mB = 1 << 20

func open(l library, s Sizes) (*room, error) {
	server, err := child.StartRemote[process.Usage]("broadcast server", l.name)
	if err != nil {
		return nil, err
	}
	r := &room{server: server, received: make([]atomic.Int64, s.Chased+s.Paced+1), complete: make(chan struct{}, s.Chased+s.Paced), chased: int64(s.Chased)}
	all, errs := make([]*client, s.Clients), make([]error, s.Clients)
	var next atomic.Int64
	var workers sync.WaitGroup
	for range atATime {
		workers.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(all)); i = next.Add(1) - 1 {
				all[i], errs[i] = join(server.Addr, i%10 != 0)
			}
		})
	}
	workers.Wait()
	for i, c := range all {
		switch {
		case c == nil:
		case i%10 == 0:
			r.slow = append(r.slow, c)
		default:
			r.fast = append(r.fast, c)
		}
	}
	if err := errors.Join(errs...); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

// listen has the fast clients read.
func (r *room) listen() {
	each := int64(len(r.fast))
	for _, c := range r.fast {
		r.readers.Go(func() {
			var times []time.Duration
			c.listen(func(number, at int64) {
				if number > r.chased {
					times = append(times, time.Duration(time.Now().UnixNano()-at))
				}
				if number < int64(len(r.received)) && r.received[number].Add(1) == each {
					r.complete <- struct{}{}
				}
			})
			r.mu.Lock()
			defer r.mu.Unlock()
			r.times = append(r.times, times...)
		})
	}
}

// await waits until all fast clients have so many messages. It returns false when no more comes to all of them.
func (r *room) await(messages int) bool {
	timer := time.NewTimer(gone)
	defer timer.Stop()
	for r.had < messages {
		select {
		case <-r.complete:
			r.had++
			timer.Reset(gone)
		case <-timer.C:
			return false
		}
	}
	return true
}

// sum is how many messages the fast clients have, taken together.
func (r *room) sum() (n int64) {
	for i := range r.received {
		n += r.received[i].Load()
	}
	return n
}

// leave ends the clients that read.
func (r *room) leave() {
	for _, c := range r.fast {
		c.conn.Close()
	}
	r.readers.Wait()
}

// close ends everything.
func (r *room) close() {
	r.leave()
	for _, c := range r.slow {
		c.conn.Close()
	}
	r.server.Kill()
}

// percentile is of sorted times.
func percentile(times []time.Duration, p int) time.Duration {
	if len(times) == 0 {
		return 0
	}
	return times[min(len(times)-1, len(times)*p/100)]
}

func micro(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
