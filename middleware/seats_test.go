package middleware_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wsverdict/wsverdict/middleware"
	"github.com/wsverdict/wsverdict/upgrade"
)

// byUser counts those together who say the same name.
func byUser(r *http.Request) (middleware.Key, bool) {
	name := r.Header.Get("User")
	return middleware.NewKey("user", name), name != ""
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

// The number is that of the plan; where a plan has none, there is no seat.
func TestMaxFor(t *testing.T) {
	up := &upgrade.Upgrader{}
	plans := map[string]int{"paid": 2, "stopped": 0, "wrong": -1}
	addr := live(t, middleware.For(up).Seats(middleware.SeatsConfig{Max: 1, Key: byUser,
		MaxFor: func(r *http.Request) (int, bool) { n, ok := plans[r.Header.Get("User")]; return n, ok },
	})(up.Handler(run(echo))))
	var all []*peer
	for user, most := range map[string]int{"paid": 2, "stopped": 0, "wrong": 0, "free": 1} {
		for range most {
			p := dial(t, addr, "User", user)
			p.say("hello", "hello")
			all = append(all, p)
		}
		dial(t, addr, "User", user).wantClose(4429, noSeat)
	}
	for _, p := range all {
		p.leave()
	}
	wantEmpty(t, up)
}

// storeFunc is a store of the user's.
type storeFunc func(ctx context.Context, key middleware.Key, most int) (func(), bool, error)

func (f storeFunc) Take(ctx context.Context, key middleware.Key, most int) (func(), bool, error) {
	return f(ctx, key, most)
}

func TestSeatsInAStore(t *testing.T) {
	up := &upgrade.Upgrader{SeatTimeout: patience}
	memory := middleware.NewMemorySeats()
	var asked atomic.Value
	var given atomic.Int64
	addr := live(t, middleware.For(up).Seats(middleware.SeatsConfig{Max: 1, Key: byUser, Name: "chat", Timeout: patience,
		Store: storeFunc(func(ctx context.Context, key middleware.Key, most int) (func(), bool, error) {
			asked.Store(key.String())
			give, ok, err := memory.Take(ctx, key, most)
			return func() { given.Add(1); give() }, ok, err
		}),
	})(up.Handler(run(echo))))
	p := dial(t, addr, "User", "alice")
	p.say("hello", "hello")
	dial(t, addr, "User", "alice").wantClose(4429, noSeat)
	if got := asked.Load(); got != "chat/user:alice" {
		t.Errorf("asked for %q", got)
	}
	p.leave()
	wantEmpty(t, up)
	again := dial(t, addr, "User", "alice")
	again.say("hello", "hello")
	again.leave()
	wantEmpty(t, up)
	if n := given.Load(); n != 2 {
		t.Errorf("%d seats were given back, want 2", n)
	}
}

// A store that hangs or breaks holds nobody up, and lets nobody in unlimited.
func TestSeatsWhenTheStoreFails(t *testing.T) {
	release := make(chan struct{})
	down := errors.New("store down")
	var late atomic.Int64
	stores := map[string]storeFunc{
		"breaks": func(context.Context, middleware.Key, int) (func(), bool, error) { return nil, false, down },
		"panics": func(context.Context, middleware.Key, int) (func(), bool, error) { panic(down) },
		"hangs": func(context.Context, middleware.Key, int) (func(), bool, error) {
			late.Add(1)
			<-release
			return func() { late.Add(-1) }, true, nil
		},
	}
	for name, store := range stores {
		for _, tc := range []struct {
			mode middleware.FailureMode
			want []string // how the second and third connection of one user end; "" for not
		}{
			{middleware.FallBackToMemory, []string{"", noSeat}},
			{middleware.DenyOnFailure, []string{"seats_unavailable;do=backoff", "seats_unavailable;do=backoff"}},
			{middleware.InsecureAllowOnFailure, []string{"", "", ""}},
		} {
			t.Run(fmt.Sprint(name, tc.mode), func(t *testing.T) {
				var told atomic.Int64
				up := &upgrade.Upgrader{Observer: upgrade.ObserverFunc(func(upgrade.Event) {})} // the panics are not logged
				addr := live(t, middleware.For(up).Seats(middleware.SeatsConfig{Max: 1, Key: byUser, Store: store, OnFailure: tc.mode,
					Timeout: 10 * time.Millisecond, OnError: func(r *http.Request, err error) {
						if r.Header.Get("User") == "alice" && err != nil {
							told.Add(1)
						}
					},
				})(up.Handler(run(echo))))
				var in []*peer
				for _, want := range tc.want {
					p := dial(t, addr, "User", "alice")
					switch want {
					case "":
						p.say("hello", "hello")
						in = append(in, p)
					case noSeat:
						p.wantClose(4429, want)
					default:
						p.wantClose(4503, want)
					}
				}
				for _, p := range in {
					p.leave()
				}
				wantEmpty(t, up)
				if n := told.Load(); n != int64(len(tc.want)) {
					t.Errorf("told of %d failures, want %d", n, len(tc.want))
				}
			})
		}
	}
	close(release)
	eventually(t, "seats that were had too late are given back", func() bool { return late.Load() == 0 })
}

// When the store fails, those that it counted before count: nobody gets a second set of seats.
func TestSeatsCountAloneWithThoseThatTheStoreCounted(t *testing.T) {
	up := &upgrade.Upgrader{SeatTimeout: patience}
	var down atomic.Bool
	memory := middleware.NewMemorySeats()
	addr := live(t, middleware.For(up).Seats(middleware.SeatsConfig{Max: 2, Key: byUser, Timeout: patience,
		Store: storeFunc(func(ctx context.Context, key middleware.Key, most int) (func(), bool, error) {
			if down.Load() {
				return nil, false, errors.New("store down")
			}
			return memory.Take(ctx, key, most)
		}),
	})(up.Handler(run(echo))))
	counted := dial(t, addr, "User", "alice")
	counted.say("hello", "hello")
	down.Store(true)
	alone := dial(t, addr, "User", "alice")
	alone.say("hello", "hello")
	dial(t, addr, "User", "alice").wantClose(4429, noSeat)
	counted.leave()
	eventually(t, "its seat is free here, too", func() bool { return up.Stats().Seats == 1 })
	again := dial(t, addr, "User", "alice")
	again.say("hello", "hello")
	dial(t, addr, "User", "alice").wantClose(4429, noSeat)
	alone.leave()
	again.leave()
	wantEmpty(t, up)
	down.Store(false)
	for range 2 {
		dial(t, addr, "User", "alice").say("hello", "hello")
	}
	dial(t, addr, "User", "alice").wantClose(4429, noSeat)
}

func TestSeatsMistakes(t *testing.T) {
	_, err := middleware.NewSeats(middleware.SeatsConfig{OnFailure: 9, Timeout: -1, Name: "a\nb"})
	if n := mistakes(t, err); n != 4 {
		t.Errorf("%d mistakes, want 4: %v", n, err)
	}
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
