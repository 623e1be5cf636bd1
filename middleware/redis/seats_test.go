package fleet_test

import (
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	fleet "github.com/wsverdict/wsverdict/middleware/redis"
)

// Never more than the maximum at once, wherever they are, and each seat that is given back is free
// at once.
func TestSeatsAreExactUnderConcurrency(t *testing.T) {
	t.Parallel()
	client := newClient(t, nil, startRedis(t))
	members := []*fleet.Fleet{join(t, client, fleet.Config{}), join(t, client, fleet.Config{}), join(t, client, fleet.Config{})}
	const most = 7
	var taken, ever, above atomic.Int64
	var wg sync.WaitGroup
	for i := range 24 {
		wg.Go(func() {
			for range 50 {
				give, ok, err := members[i%3].Seats().Take(ctx(t), key("alice"), most)
				if err != nil {
					t.Error(err)
				}
				if !ok {
					continue
				}
				ever.Add(1)
				if taken.Add(1) > most {
					above.Add(1)
				}
				taken.Add(-1) // before it is given back
				give()
			}
		})
	}
	wg.Wait()
	if above.Load() > 0 || ever.Load() < most {
		t.Errorf("%d times above the maximum; %d taken in all", above.Load(), ever.Load())
	}
	eventually(t, "all seats are free", func() bool {
		var gives []func()
		defer func() {
			for _, give := range gives {
				give()
			}
		}()
		for range most {
			give, ok, err := members[0].Seats().Take(ctx(t), key("alice"), most)
			must(t, err)
			if !ok {
				return false
			}
			gives = append(gives, give)
		}
		_, ok, err := members[1].Seats().Take(ctx(t), key("alice"), most)
		must(t, err)
		return !ok
	})
}

// Whatever number of servers they are on: three connections each, and the fourth is told why.
func TestSeatsAcrossProcesses(t *testing.T) {
	t.Parallel()
	servers := startServers(t, 2, plan{Addrs: []string{startRedis(t).addr()}})
	first := dial(t, servers[0].addr, "ada")
	dial(t, servers[1].addr, "ada")
	dial(t, servers[0].addr, "ada")
	dial(t, servers[1].addr, "ada").wantClosed(t, "4429 too_many_connections;do=backoff")
	dial(t, servers[0].addr, "ada").wantClosed(t, "4429 too_many_connections;do=backoff")
	dial(t, servers[1].addr, "bob")
	first.Close()
	eventually(t, "the seat is free on the other server", func() bool { return admitted(t, servers[1].addr, "ada") })
}

// lease is so long that no machine is too busy to renew it in time.
const lease = 6 * time.Second

// The seats of a server that was killed come back with its lease; those of the others stay taken.
func TestSeatsOfAKilledServerComeBack(t *testing.T) {
	t.Parallel()
	servers := startServers(t, 2, plan{Addrs: []string{startRedis(t).addr()}, SeatLease: lease})
	dial(t, servers[0].addr, "ada")
	dial(t, servers[0].addr, "ada")
	stays := dial(t, servers[1].addr, "ada")
	servers[0].kill()
	dial(t, servers[1].addr, "ada").wantClosed(t, "4429") // not before
	took := eventually(t, "the seats come back", func() bool { return admitted(t, servers[1].addr, "ada") })
	t.Log("after", took)
	eventually(t, "the second one, too", func() bool { return admitted(t, servers[1].addr, "ada") })
	dial(t, servers[1].addr, "ada").wantClosed(t, "4429")
	if !stays.alive() {
		t.Error("a connection of the other server is gone")
	}
}

// A server that was stopped for longer than its lease counts its connections again when it goes on:
// until enough of them are gone there are more than the maximum, and nobody new gets in.
func TestSeatsOfAServerThatWasStoppedForLong(t *testing.T) {
	t.Parallel()
	node := startRedis(t)
	client := newClient(t, nil, node)
	servers := startServers(t, 2, plan{Addrs: []string{node.addr()}, SeatLease: lease})
	old := []*peer{dial(t, servers[0].addr, "ada"), dial(t, servers[0].addr, "ada")}
	servers[0].signal(t, syscall.SIGSTOP)
	var young []*peer
	eventually(t, "its seats are free", func() bool {
		if p := dial(t, servers[1].addr, "ada"); p.alive() {
			young = append(young, p)
		} else {
			p.Close()
		}
		return len(young) == 3
	})
	servers[0].signal(t, syscall.SIGCONT)
	eventually(t, "its connections are counted again", func() bool {
		sets := client.Keys(ctx(t), "wsverdict:seats:*").Val()
		return len(sets) == 1 && client.ZCard(ctx(t), sets[0]).Val() == 5
	})
	for _, p := range append(old, young...) {
		if !p.alive() {
			t.Error("a connection was closed for it")
		}
	}
	old[0].Close()
	old[1].Close()
	for _, s := range servers {
		dial(t, s.addr, "ada").wantClosed(t, "4429 too_many_connections")
	}
	young[0].Close()
	eventually(t, "there is room", func() bool { return admitted(t, servers[0].addr, "ada") })
}

// Leaving gives them back at once.
func TestSeatsAreFreeAfterClose(t *testing.T) {
	t.Parallel()
	client := newClient(t, nil, startRedis(t))
	f, g := join(t, client, fleet.Config{}), join(t, client, fleet.Config{})
	_, ok, err := f.Seats().Take(ctx(t), key("ada"), 1)
	if !ok || err != nil {
		t.Fatal(ok, err)
	}
	if _, ok, _ := g.Seats().Take(ctx(t), key("ada"), 1); ok {
		t.Fatal("two seats of one")
	}
	must(t, f.Close())
	if _, ok, err := g.Seats().Take(ctx(t), key("ada"), 1); !ok || err != nil {
		t.Errorf("after Close: %v, %v", ok, err)
	}
	if _, _, err := f.Seats().Take(ctx(t), key("ada"), 1); err != fleet.ErrClosed {
		t.Errorf("after Close: %v", err)
	}
	must(t, f.Close()) // twice is once
}

// Seats that Redis has forgotten are stated anew, and leases are renewed by few commands, however
// many seats there are.
func TestSeatsSurviveRedisForgettingThem(t *testing.T) {
	t.Parallel()
	client := newClient(t, nil, startRedis(t))
	f, g := join(t, client, fleet.Config{SeatLease: lease}), join(t, client, fleet.Config{SeatLease: lease})
	for range 100 {
		if _, ok, err := f.Seats().Take(ctx(t), key("crowd"), 100); !ok || err != nil {
			t.Fatal(ok, err)
		}
	}
	if n := f.Stats().Seats; n != 100 {
		t.Errorf("holds %d", n)
	}
	command(t, client, "FLUSHALL")
	eventually(t, "they are all there again", func() bool {
		for _, k := range client.Keys(ctx(t), "wsverdict:seats:*").Val() {
			return client.ZCard(ctx(t), k).Val() == 100
		}
		return false
	})
	if _, ok, err := g.Seats().Take(ctx(t), key("crowd"), 100); ok || err != nil {
		t.Errorf("taken again: %v, %v", ok, err)
	}
	begin := time.Now()
	before := calls(t, client.Info(ctx(t), "commandstats").Val(), "eval")
	n := 0
	eventually(t, "some renewals", func() bool {
		n = calls(t, client.Info(ctx(t), "commandstats").Val(), "eval") - before
		return n >= 2*64
	})
	rounds := 2 + int(time.Since(begin)/(lease/3)) // at most, with those under way
	if n > 2*64*rounds {                           // by two servers
		t.Errorf("%d renewals for 100 seats in %d rounds", n, rounds)
	}
}

// Without a seat nothing is had, and most can differ from request to request.
func TestSeatsBounds(t *testing.T) {
	t.Parallel()
	f := join(t, newClient(t, nil, startRedis(t)), fleet.Config{KeySecret: []byte(strings.Repeat("s", 16))})
	for _, most := range []int{0, -1} {
		if _, ok, err := f.Seats().Take(ctx(t), key("ada"), most); ok || err != nil {
			t.Errorf("most %d: %v, %v", most, ok, err)
		}
	}
	f.Seats().Take(ctx(t), key("ada"), 1)
	if _, ok, _ := f.Seats().Take(ctx(t), key("ada"), 2); !ok {
		t.Error("the larger plan has room")
	}
	if _, ok, _ := f.Seats().Take(ctx(t), key("ada"), 1); ok {
		t.Error("the smaller has not")
	}
}

// Whatever went wrong with a set, it is written anew when its turn comes, and so never runs out while it is in use.
func TestSeatsAreStatedAnewInTurn(t *testing.T) {
	t.Parallel()
	client := newClient(t, nil, startRedis(t))
	f := join(t, client, fleet.Config{})
	if _, ok, err := f.Seats().Take(ctx(t), key("ada"), 1); !ok || err != nil {
		t.Fatal(ok, err)
	}
	sets := client.Keys(ctx(t), "wsverdict:seats:*").Val()
	if len(sets) != 1 {
		t.Fatalf("sets %q", sets)
	}
	// Where there is no lease any more, others may have removed it: at once.
	must(t, client.Del(ctx(t), sets...).Err())
	must(t, client.Del(ctx(t), client.Keys(ctx(t), "wsverdict:leases:*").Val()...).Err())
	must(t, f.Seats().RenewAll(-1))
	if n := client.ZCard(ctx(t), sets[0]).Val(); n != 1 {
		t.Errorf("%d seats after the lease had run out, want 1", n)
	}
	must(t, client.Del(ctx(t), sets...).Err())
	for turn := range 64 {
		must(t, f.Seats().RenewAll(turn))
	}
	if n, ttl := client.ZCard(ctx(t), sets[0]).Val(), client.PTTL(ctx(t), sets[0]).Val(); n != 1 || ttl <= 0 {
		t.Errorf("%d seats, for %v", n, ttl)
	}
}
