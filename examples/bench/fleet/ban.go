package fleet

import (
	"fmt"
	"slices"
	"time"

	"github.com/wsverdict/wsverdict/examples/bench"
)

const aim = 200 * time.Millisecond // of a ban

// ban bans users on servers, one after the other.
func ban(redis string, servers int, n Sizes) (figures, error) {
	n.Standing = bench.Limit(n.Standing+n.Bans*servers) - n.Bans*servers
	var all []*remote
	for range servers {
		r, err := start(order{Redis: redis, Bans: true, Seats: true})
		if err != nil {
			return nil, err
		}
		defer r.Kill()
		all = append(all, r)
	}
	for i := range n.Standing {
		c, err := connect(all[i%servers].Addr, "nobody")
		if err != nil {
			return nil, err
		}
		defer c.Close()
	}
	clients := make([][]*client, n.Bans) // by user
	for user := range clients {
		for _, r := range all {
			c, err := connect(r.Addr, fmt.Sprint("user-", user))
			if err != nil {
				return nil, err
			}
			defer c.Close()
			clients[user] = append(clients[user], c)
		}
	}
	var times []time.Duration
	told, soon := 0, 0
	for user := range clients {
		closed := make(chan time.Time, servers)
		for _, c := range clients[user] {
			go func() {
				code, err := c.closeFrame()
				at := time.Now()
				if err != nil || code != 4403 {
					at = time.Time{}
				}
				c.Write(normal)
				closed <- at
			}()
		}
		begun := time.Now()
		if _, err := all[user%servers].Ask(fmt.Sprint("ban user-", user)); err != nil {
			return nil, err
		}
		var took time.Duration
		for range clients[user] {
			if at := <-closed; at.IsZero() {
				took = patience
			} else {
				told++
				took = max(took, at.Sub(begun))
			}
		}
		times = append(times, took)
		if took <= aim {
			soon++
		}
	}
	return figures{
		"ms-p50": micro(percentile(times, 50)) / 1000, "ms-p99": micro(percentile(times, 99)) / 1000, "ms-max": micro(slices.Max(times)) / 1000,
		"in-200ms-%": 100 * float64(soon) / float64(len(times)), "told-%": 100 * float64(told) / float64(n.Bans*servers),
	}, nil
}
