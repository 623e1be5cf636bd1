package middleware_test

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/wsverdict/wsverdict/middleware"
	"github.com/wsverdict/wsverdict/upgrade"
)

// byUser counts those together who say the same name.
func byUser(r *http.Request) (middleware.Key, bool) {
	name := r.Header.Get("User")
	return middleware.StringKey(name), name != ""
}

const noSeat = "too_many_connections;do=backoff"

func newSeats(t *testing.T, most int) *middleware.Seats {
	t.Helper()
	s, err := middleware.NewSeats(middleware.SeatsConfig{Max: most, Key: byUser})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// So many and no more, each key by itself; who goes makes room.
func TestSeats(t *testing.T) {
	up := &upgrade.Upgrader{}
	addr := live(t, up.Use(newSeats(t, 2))(up.Handler(run(echo))))
	first, second := dial(t, addr, "User", "alice"), dial(t, addr, "User", "alice")
	for range 3 { // a refusal takes no seat
		dial(t, addr, "User", "alice").wantClose(4429, noSeat)
	}
	other := dial(t, addr, "User", "bob")
	if n := up.Stats().Seats; n != 3 {
		t.Errorf("%d seats are taken, want 3", n)
	}
	first.leave()
	eventually(t, "a seat is given back", func() bool { return up.Stats().Seats == 2 })
	third := dial(t, addr, "User", "alice")
	dial(t, addr, "User", "alice").wantClose(4429, noSeat)
	for _, p := range []*peer{second, third, other} {
		p.say("hello", "hello")
		p.leave()
	}
	wantEmpty(t, up)
}

// One Seats in several places counts together: in front of two endpoints, of two Upgraders, and twice in one chain it takes two.
func TestSeatsInSeveralPlaces(t *testing.T) {
	seats := newSeats(t, 2)
	one, two := &upgrade.Upgrader{}, &upgrade.Upgrader{}
	ones := live(t, one.Use(seats)(one.Handler(run(echo))))
	twos := live(t, two.Use(seats)(two.Handler(run(echo))))
	twice := live(t, two.Use(seats)(two.Use(seats)(two.Handler(run(echo)))))

	first := dial(t, ones, "User", "alice")
	dial(t, twice, "User", "alice").wantClose(4429, noSeat) // its first seat is given back
	second := dial(t, twos, "User", "alice")
	dial(t, ones, "User", "alice").wantClose(4429, noSeat)
	first.leave()
	second.leave()
	wantEmpty(t, one)
	wantEmpty(t, two)
	both := dial(t, twice, "User", "alice")
	both.leave()
	wantEmpty(t, two)
}

func TestSeatsByAddress(t *testing.T) {
	up := &upgrade.Upgrader{}
	addr := live(t, middleware.For(up).Seats(middleware.SeatsConfig{Max: 1})(up.Handler(run(echo))))
	p := dial(t, addr)
	dial(t, addr).wantClose(4429, noSeat)
	p.leave()
	wantEmpty(t, up)
}

func TestSeatsWithoutAKey(t *testing.T) {
	checkVerdict(t, newSeats(t, 1).Judge(newRequest(t)), 500, "seats_key_missing;do=backoff")
	v := newSeats(t, 1).Judge(newRequest(t, "User", "alice"))
	checkVerdict(t, v, 0, "")
	if !v.Brings() {
		t.Error("no seat is brought")
	}
}

func TestSeatsMistakes(t *testing.T) {
	for _, most := range []int{0, -1} {
		_, err := middleware.NewSeats(middleware.SeatsConfig{Max: most})
		if n := mistakes(t, err); n != 1 {
			t.Errorf("Max %d: %d mistakes, want 1", most, n)
		}
		if panicError(t, func() { middleware.For(&upgrade.Upgrader{}).Seats(middleware.SeatsConfig{Max: most}) }) == nil {
			t.Errorf("Max %d: mounted", most)
		}
	}
}

// Many come and go at once, and in ways of all kinds. There are never more than there may be, and at the end all seats are free.
func TestSeatsStorm(t *testing.T) {
	t.Parallel()
	const most, users, clients, rounds = 3, 3, 8, 6
	seats := newSeats(t, most)
	up := &upgrade.Upgrader{}
	var here [users]atomic.Int64
	names := [users]string{"alice", "bob", "carol"}
	addr := live(t, up.Use(seats)(up.Handler(func(r *http.Request) (upgrade.Session, error) {
		var mine *atomic.Int64
		for i, name := range names {
			if name == r.Header.Get("User") {
				mine = &here[i]
			}
		}
		return func(ctx context.Context, c *upgrade.Conn) error {
			if n := mine.Add(1); n > most {
				t.Errorf("%d of one user at a time", n)
			}
			defer mine.Add(-1)
			return echo(ctx, c)
		}, nil
	})))
	var admitted atomic.Int64
	var all sync.WaitGroup
	for _, name := range names {
		for i := range clients {
			all.Go(func() {
				for round := range rounds {
					p := dial(t, addr, "User", name)
					p.send(textFrame("hello"))
					if f := p.frame(); string(f.Payload) != "hello" {
						continue // no seat; the linger ends with the socket
					}
					admitted.Add(1)
					if (i+round)%2 == 0 {
						p.leave()
					} else {
						p.Close()
					}
				}
			})
		}
	}
	all.Wait()
	if n := admitted.Load(); n < most*users {
		t.Errorf("only %d were ever admitted", n)
	}
	for _, c := range []func() bool{func() bool { return up.Stats().Live == 0 }, func() bool { return up.Stats().Seats == 0 }} {
		eventually(t, "all are gone", c)
	}
	var again []*peer
	for range most {
		again = append(again, dial(t, addr, "User", "alice"))
	}
	dial(t, addr, "User", "alice").wantClose(4429, noSeat)
	for _, p := range again {
		p.leave()
	}
}
