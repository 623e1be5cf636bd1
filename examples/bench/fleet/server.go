package fleet

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/examples/bench"
	"github.com/wsverdict/wsverdict/examples/bench/internal/child"
	"github.com/wsverdict/wsverdict/examples/bench/internal/process"
	"github.com/wsverdict/wsverdict/middleware"
	fleet "github.com/wsverdict/wsverdict/middleware/redis"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

// patience is for what must happen: whatever hangs fails.
const patience = time.Minute

// An order is what a server is started with.
type order struct {
	Redis              string // its address
	Memory             bool   // everything is in memory, for one server
	Limit, Seats, Bans bool   // what there is; Bans is maintenance, too
	TokensAhead        int
	Spent              bool // the limit allows everybody one handshake an hour
}

// A state is what a server tells of itself.
type state struct {
	process.Usage
	Seats int // that are taken in Redis
}

var banned = policy.Close(codes.Forbidden, "banned")

// serve is a server's process. It prints its address, and does what it is told: "state", and "ban" with a user.
func serve(args []string, commands <-chan string) error {
	var o order
	if err := json.Unmarshal([]byte(args[0]), &o); err != nil {
		return err
	}
	bench.Limit(1 << 20)
	up := &upgrade.Upgrader{}
	client := newClient(o.Redis)
	f, err := fleet.New(client, fleet.Config{Upgraders: []*upgrade.Upgrader{up}, TokensAhead: o.TokensAhead, Timeout: patience})
	if err != nil {
		return err
	}
	<-f.Ready()
	if o.Memory {
		f.Close() // it runs nothing more
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	web := &http.Server{Handler: o.routes(up, f), ReadHeaderTimeout: 10 * time.Second}
	go web.Serve(l)
	fmt.Println(l.Addr())
	for command := range commands {
		verb, user, _ := strings.Cut(command, " ")
		if verb == "ban" {
			if err := f.Revoke(context.Background(), banned, time.Hour, policy.Tag{Key: "user", Value: user}); err != nil {
				return err
			}
		}
		b, err := json.Marshal(state{process.Now(), f.Stats().Seats})
		if err != nil {
			return err
		}
		fmt.Println(string(b))
	}
	return nil
}

// routes is the chain of docs/fleet.md, with the limit by user.
func (o order) routes(up *upgrade.Upgrader, f *fleet.Fleet) http.Handler {
	rate := middleware.RateLimitConfig{Rate: middleware.PerSecond(1e6), Key: middleware.BySubject, Timeout: patience}
	if o.Spent {
		rate.Rate = middleware.PerHour(1)
	}
	seats := middleware.SeatsConfig{Max: 1e6, Key: middleware.BySubject, Timeout: patience}
	maintenance := middleware.NewMaintenance(&middleware.Switch{})
	if !o.Memory {
		rate.Limiter, seats.Store, maintenance = f.Limiter(), f.Seats(), f.Switch().Maintenance()
	}
	ws := middleware.For(up)
	links := chi.Middlewares{ws.Use(policy.Named("user", policy.Func(whoever)))}
	if o.Bans {
		links = append(links, ws.Use(maintenance))
	}
	if o.Limit {
		links = append(links, ws.RateLimit(rate))
	}
	if o.Bans && !o.Memory {
		links = append(links, ws.Use(f.Revocations()))
	}
	if o.Seats {
		links = append(links, ws.Seats(seats))
	}
	r := chi.NewRouter()
	r.With(links...).Handle("/ws/{user}", up.Handler(func(*http.Request) (upgrade.Session, error) { return reads, nil }))
	return r
}

func whoever(r *http.Request) policy.Verdict { return policy.Allow().WithSubject(r.PathValue("user")) }

func reads(ctx context.Context, c *upgrade.Conn) error {
	for {
		if _, _, err := c.Read(ctx, nil); err != nil {
			return err
		}
	}
}

// A remote is a server in a process of its own.
type remote = child.Remote[state]

func start(o order) (*remote, error) { return child.StartRemote[state]("fleet server", o) }

// idle waits until all seats are given back, and Redis was told, and returns the server's state then.
func idle(r *remote, redis string) (s state, err error) {
	client := newClient(redis)
	defer client.Close()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for deadline := time.Now().Add(patience); ; <-poll.C {
		sets, err := client.Keys(context.Background(), "wsverdict:seats:*").Result()
		if err != nil {
			return s, err
		}
		if s, err = r.Ask("state"); err != nil || s.Seats == 0 && len(sets) == 0 {
			return s, err
		}
		if time.Now().After(deadline) {
			return s, fmt.Errorf("fleet: %d seats are not given back", s.Seats)
		}
	}
}
