package fleet

import (
	"errors"
	"flag"
	"os"
	"testing"

	"github.com/wsverdict/wsverdict/examples/bench/internal/child"
	"github.com/wsverdict/wsverdict/examples/internal/redisserver"
)

func TestMain(m *testing.M) {
	child.Main(Roles())
	os.Exit(m.Run())
}

// needRedis skips where there is none.
func needRedis(t testing.TB) {
	t.Helper()
	if _, err := Redis(); errors.Is(err, redisserver.ErrMissing) && os.Getenv("WSVERDICT_REQUIRE_ALL") == "" {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
}

var few = Sizes{Takes: 200, Handshakes: users, Counted: users, Bans: 3, Standing: 4, Kept: 100}

// TestCasesRun runs every case once, whose figures are all there, and who was to be told was told.
func TestCasesRun(t *testing.T) {
	needRedis(t)
	flag.Set("test.benchtime", "1x")
	for _, row := range Rows(few) {
		for _, c := range row.Cases {
			r := testing.Benchmark(c.Run)
			if r.N == 0 {
				t.Errorf("%s: %s failed", row.Name, c.Name)
				continue
			}
			for _, unit := range row.Columns {
				if _, ok := r.Extra[unit]; !ok {
					t.Errorf("%s: %s: no %s", row.Name, c.Name, unit)
				}
			}
			if told, ok := r.Extra["told-%"]; ok && told != 100 {
				t.Errorf("%s: %s: %v %% were told, want all", row.Name, c.Name, told)
			}
		}
	}
}

// TestCommandsOfAHandshake: how many there are is no matter of time.
func TestCommandsOfAHandshake(t *testing.T) {
	needRedis(t)
	for name, tc := range map[string]struct {
		order
		commands, later float64
	}{
		"in memory":            {order{Memory: true, Limit: true, Seats: true, Bans: true}, 0, 0},
		"bans and maintenance": {order{Bans: true}, 0, 0},
		"limit":                {order{Limit: true}, 1, 0},
		"seats":                {order{Seats: true}, 1, 1},
		"all":                  {order{Limit: true, Seats: true, Bans: true}, 2, 1},
		"refused":              {order{Limit: true, Seats: true, Bans: true, Spent: true}, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			addr, stop, err := redisserver.Start()
			if err != nil {
				t.Fatal(err)
			}
			defer stop()
			f, err := handshakes(addr, tc.order, few)
			if err != nil {
				t.Fatal(err)
			}
			if f["commands"] != tc.commands || f["later"] != tc.later {
				t.Errorf("%v commands and %v later, want %v and %v", f["commands"], f["later"], tc.commands, tc.later)
			}
		})
	}
}
