package fleet

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/wsverdict/wsverdict/examples/bench/internal/process"
	"github.com/wsverdict/wsverdict/middleware"
	fleet "github.com/wsverdict/wsverdict/middleware/redis"
	"github.com/wsverdict/wsverdict/policy"
)

// A thing is what Redis, and a server, keep of a user.
type thing struct {
	name string
	make func(f *fleet.Fleet, user string) error
}

var things = []thing{
	{"wsverdict, a bucket that is not full", func(f *fleet.Fleet, user string) error {
		_, err := f.Limiter().Take(context.Background(), middleware.NewKey("user", user), middleware.PerHour(10), 1)
		return err
	}},
	{"wsverdict, a seat", func(f *fleet.Fleet, user string) error {
		_, ok, err := f.Seats().Take(context.Background(), middleware.NewKey("user", user), 1)
		return allowed(ok, err)
	}},
	{"wsverdict, a ban", func(f *fleet.Fleet, user string) error {
		return f.Revoke(context.Background(), banned, time.Hour, policy.Tag{Key: "user", Value: user})
	}},
}

// keep makes one for each of n users.
func (t thing) keep(addr string, n int) (figures, error) {
	c := newClient(addr)
	defer c.Close()
	f, err := fleet.New(c, fleet.Config{Timeout: patience})
	if err != nil {
		return nil, err
	}
	defer f.Close()
	<-f.Ready()
	all := func(prefix string, n int) error {
		_, _, err := atOnce(n, func(i int) error { return t.make(f, fmt.Sprintf("%s-%06d", prefix, i)) })
		return err
	}
	if err := all("a", 256); err != nil { // connections and scripts are there
		return nil, err
	}
	used := func() (redis, server float64, err error) {
		info, err := c.Info(context.Background(), "memory").Result()
		if err != nil {
			return 0, 0, err
		}
		_, rest, _ := strings.Cut(info, "used_memory:")
		line, _, _ := strings.Cut(rest, "\r")
		redis, err = strconv.ParseFloat(line, 64)
		process.Collect()
		return redis, float64(process.Now().InUse), err
	}
	redisBefore, before, err := used()
	if err != nil {
		return nil, err
	}
	if err := all("b", n); err != nil {
		return nil, err
	}
	redisAfter, after, err := used()
	if err != nil {
		return nil, err
	}
	return figures{"B/redis": (redisAfter - redisBefore) / float64(n), "B/server": max(0, after-before) / float64(n)}, nil
}
