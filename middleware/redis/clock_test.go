package fleet_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// One server's clock is right, one's a minute ahead, one's a minute behind; or they are set by
// minutes after something was said. Nothing shows it.
func TestClocksThatAreWrong(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it builds a standard library")
	}
	redisServer(t)
	program := withWrongClock(t)
	for name, later := range map[string][]time.Duration{
		"from the start":  nil,
		"set by a minute": {time.Minute, -time.Minute, 2 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			node := startRedis(t)
			var w wrongClocks
			w.client = newClient(t, nil, node)
			wrong := []time.Duration{0, time.Minute, -time.Minute}
			for _, by := range wrong {
				w.all = append(w.all, startServer(t, plan{Addrs: []string{node.addr()}, SeatLease: 6 * time.Second, Program: program, Wrong: by}))
			}
			w.right, w.ahead, w.behind = w.all[0], w.all[1], w.all[2]
			w.say(t)
			for i, by := range later {
				w.all[i].ask(t, "/clock?for="+by.String())
				wrong[i] = by
			}
			for i, s := range w.all {
				now, err := time.Parse(time.RFC3339Nano, s.ask(t, "/clock"))
				must(t, err)
				if off := time.Until(now); (off - wrong[i]).Abs() > 30*time.Second {
					t.Fatalf("a clock is wrong by %v, want %v", off, wrong[i])
				}
			}
			w.limits(t)
			w.bans(t)
			w.maintenance(t)
			w.tickets(t)
			w.seats(t)
		})
	}
}

// wrongClocks are three servers, and what was said to them.
type wrongClocks struct {
	client               redis.UniversalClient
	right, ahead, behind *server
	all                  []*server
	begun                time.Time
	byAhead, byBehind    string // tickets
}

func (w *wrongClocks) say(t *testing.T) {
	w.begun = time.Now()
	for _, s := range w.all {
		dial(t, s.addr, "ada") // three seats, which are all
		if got := s.ask(t, "/limit?user=one-by-"+s.addr); !strings.HasPrefix(got, "true") {
			t.Errorf("a first token: %s", got)
		}
	}
	w.byAhead, w.byBehind = w.ahead.mint(t), w.behind.mint(t)
	w.right.ask(t, "/revoke?user=eve&for=40s")
	w.ahead.ask(t, "/revoke?user=mallory&for=40s")
	w.behind.ask(t, "/revoke?user=trudy&for=1s")
	w.behind.ask(t, "/until?for=10m")
}

// left wants an answer that names what is left of ten minutes that began with w.
func (w *wrongClocks) left(t *testing.T, what, got, want string) {
	t.Helper()
	is, rest, _ := strings.Cut(got, " ")
	left, err := time.ParseDuration(rest)
	passed := time.Since(w.begun)
	if err != nil || is != want || left > 10*time.Minute || left < 10*time.Minute-passed-time.Second {
		t.Errorf("%s: %s; %v have passed of ten minutes", what, got, passed)
	}
}

func (w *wrongClocks) limits(t *testing.T) {
	for _, s := range w.all {
		for _, other := range w.all {
			w.left(t, "a token that is taken", s.ask(t, "/limit?user=one-by-"+other.addr), "false")
		}
	}
	results := make(chan string, len(w.all))
	for _, s := range w.all {
		go func() { results <- s.ask(t, "/take?n=2000") }()
	}
	total := 0
	for range w.all {
		var n int
		fmt.Sscan(<-results, &n)
		total += n
	}
	if total != 5000 {
		t.Errorf("%d of 6,000 were allowed, want 5000", total)
	}
}

func (w *wrongClocks) bans(t *testing.T) {
	for _, s := range w.all {
		for _, user := range []string{"eve", "mallory"} {
			is := func() bool { return s.ask(t, "/revoked?user="+user) == "true" }
			eventually(t, "a ban is known, or over", func() bool { return is() || time.Since(w.begun) > 40*time.Second })
		}
		eventually(t, "a ban of a second is over", func() bool { return s.ask(t, "/revoked?user=trudy") == "false" })
	}
}

func (w *wrongClocks) maintenance(t *testing.T) {
	is := func(s *server, on string) func() bool {
		return func() bool { return strings.HasPrefix(s.ask(t, "/maintenance"), on) }
	}
	for _, s := range w.all {
		eventually(t, "maintenance is on", is(s, "true"))
		w.left(t, "maintenance", s.ask(t, "/maintenance"), "true")
	}
	w.ahead.ask(t, "/until?for=1s")
	for _, s := range w.all {
		eventually(t, "maintenance of a second is over", is(s, "false"))
	}
}

func (w *wrongClocks) tickets(t *testing.T) {
	const used = "4401 ticket_invalid"
	for _, ticket := range []struct {
		secret      string
		first, then *server
	}{{w.byAhead, w.behind, w.right}, {w.byBehind, w.ahead, w.behind}} {
		if p := ticket.first.redeem(t, ticket.secret); !p.alive() && time.Since(w.begun) < time.Minute {
			t.Errorf("a ticket of a minute was over within %v", time.Since(w.begun))
		}
		ticket.then.redeem(t, ticket.secret).wantClosed(t, used)
	}
	secret := w.ahead.mint(t)
	for _, name := range w.client.Keys(ctx(t), "wsverdict:ticket:*").Val() {
		if ttl := w.client.PTTL(ctx(t), name).Val(); ttl <= 0 || ttl > time.Minute {
			t.Errorf("a ticket of a minute is kept for %v", ttl)
		}
		must(t, w.client.PExpire(ctx(t), name, time.Millisecond).Err())
		eventually(t, "it is over", func() bool { return w.client.Exists(ctx(t), name).Val() == 0 })
	}
	w.behind.redeem(t, secret).wantClosed(t, used)
}

func (w *wrongClocks) seats(t *testing.T) {
	const full = "4429 too_many_connections"
	renewals := func() int { return calls(t, w.client.Info(ctx(t), "commandstats").Val(), "eval") }
	before := renewals()
	eventually(t, "leases are renewed", func() bool { return renewals() >= before+4*len(w.all)*64 })
	for _, s := range w.all {
		dial(t, s.addr, "ada").wantClosed(t, full)
	}
	for _, s := range []*server{w.ahead, w.behind} {
		s.kill()
		took := eventually(t, "the seat comes back", func() bool {
			p := dial(t, w.right.addr, "ada")
			if !p.alive() {
				p.Close() // the server waits for so many only
				return false
			}
			return true
		})
		t.Log("after", took)
		dial(t, w.right.addr, "ada").wantClosed(t, full)
	}
}
