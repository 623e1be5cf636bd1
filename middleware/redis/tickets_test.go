package fleet_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	fleet "github.com/wsverdict/wsverdict/middleware/redis"
)

// Minted on one server, redeemed once on any, whoever else tries at the same time.
func TestTicketsAreTakenOnce(t *testing.T) {
	t.Parallel()
	client := newClient(t, nil, startRedis(t))
	f, g := join(t, client, fleet.Config{}), join(t, client, fleet.Config{})
	must(t, f.Tickets().Put(ctx(t), "id", []byte("ada"), time.Minute))
	if err := g.Tickets().Put(ctx(t), "id", []byte("eve"), time.Minute); err == nil {
		t.Error("a ticket was replaced")
	}
	if ttl := client.PTTL(ctx(t), "wsverdict:ticket:id").Val(); ttl <= 0 || ttl > time.Minute {
		t.Errorf("kept for %v", ttl)
	}
	var got atomic.Int64
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			ticket, ok, err := []*fleet.Fleet{f, g}[i%2].Tickets().Take(ctx(t), "id")
			if err != nil || ok && string(ticket) != "ada" {
				t.Errorf("%q, %v", ticket, err)
			}
			if ok {
				got.Add(1)
			}
		})
	}
	wg.Wait()
	if got.Load() != 1 {
		t.Errorf("taken %d times", got.Load())
	}
	if _, ok, err := f.Tickets().Take(ctx(t), "unknown"); ok || err != nil {
		t.Errorf("unknown: %v, %v", ok, err)
	}
	must(t, f.Tickets().Put(ctx(t), "short", nil, time.Millisecond))
	eventually(t, "it expires", func() bool { return client.Exists(ctx(t), "wsverdict:ticket:short").Val() == 0 })
	if _, ok, _ := g.Tickets().Take(ctx(t), "short"); ok {
		t.Error("an expired ticket was taken")
	}
}

// What a ticket stands for travels along: a ban finds the connection that was made with it.
func TestTicketsAcrossProcesses(t *testing.T) {
	t.Parallel()
	servers := startServers(t, 2, plan{Addrs: []string{startRedis(t).addr()}})
	secret := servers[0].mint(t)
	redeem := func() *peer { return servers[1].redeem(t, secret) }
	ada := redeem()
	if !ada.alive() {
		t.Fatal("not admitted with a ticket of another server")
	}
	redeem().wantClosed(t, "4401")
	servers[0].ask(t, "/revoke?user=ada")
	ada.wantClosed(t, "4403 banned;do=stop")
}
