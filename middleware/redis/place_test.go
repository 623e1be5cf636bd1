package fleet

import (
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// However wrong a server's clock is, what was said for an hour half an hour ago holds for another half.
func TestClocksMayDiffer(t *testing.T) {
	t.Parallel()
	for _, wrong := range []time.Duration{0, time.Minute, -time.Minute, 30 * 24 * time.Hour} {
		f := &Fleet{cfg: Config{}.withDefaults()}
		f.revocations.init(f)
		f.maintenance.fleet = f
		f.stream.init(f)

		now := time.Now()
		redisNow := now.Add(wrong)
		at := fmt.Sprint(redisNow.Add(-time.Hour/2).UnixMilli(), "-1")
		const maintenance = `{"kind":"maintenance","on":true,"for":3600000}`
		if err := f.stream.place([]redis.XMessage{{ID: at}}, at+" "+maintenance, redisNow, now); err != nil {
			t.Fatal(err)
		}
		on, end := f.maintenance.State()
		if left := end.Sub(now); !on || (left-time.Hour/2).Abs() > time.Second {
			t.Errorf("wrong by %v: maintenance %v, %v left, want half an hour", wrong, on, left)
		}
		id, err := parsePosition(at)
		if err != nil {
			t.Fatal(err)
		}
		f.stream.apply(id, `{"kind":"revoke","for":3600000,"tags":[{"Key":"user","Value":"ada"}],"verdict":{"code":4403,"reason":"banned"}}`)
		f.stream.apply(id, `{"kind":"revoke","for":1200000,"tags":[{"Key":"user","Value":"bob"}],"verdict":{"code":4403,"reason":"banned"}}`)
		if f.revocations.len() != 1 {
			t.Fatalf("wrong by %v: %d revocations, want the one that is not over", wrong, f.revocations.len())
		}
		for _, list := range f.revocations.by {
			if left := list[0].until.Sub(now); (left - time.Hour/2).Abs() > time.Second {
				t.Errorf("wrong by %v: revoked for another %v, want half an hour", wrong, left)
			}
		}
	}
}

// A stream that ends before our place is another one than we read so far: it is read anew, without
// ending connections by what is history.
func TestStreamThatLostEntries(t *testing.T) {
	t.Parallel()
	f := &Fleet{cfg: Config{}.withDefaults()}
	f.stream.init(f)
	close(f.stream.ready)
	f.stream.at = position{100, 5}
	steps := []struct {
		last      string
		at, quiet position
	}{
		{"100-5", position{100, 5}, position{}},
		{"100-7", position{100, 5}, position{}}, // said while we were away
		{"100-4", position{}, position{100, 4}},
	}
	for _, s := range steps {
		if err := f.stream.place([]redis.XMessage{{ID: s.last}}, "", time.Now(), time.Now()); err != nil {
			t.Fatal(err)
		}
		if f.stream.at != s.at || f.stream.quiet != s.quiet {
			t.Errorf("end %s: at %v, quiet %v, want %v, %v", s.last, f.stream.at, f.stream.quiet, s.at, s.quiet)
		}
	}
	f.stream.at = position{100, 5}
	if err := f.stream.place(nil, "", time.Now(), time.Now()); err != nil || f.stream.at != (position{}) || f.stream.quiet != (position{}) {
		t.Errorf("empty: at %v, quiet %v, %v", f.stream.at, f.stream.quiet, err)
	}
}
