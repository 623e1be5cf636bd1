package fleet_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// One server's clock is right, one's a minute ahead, one's a minute behind; or they are set by
// minutes after something was said. Nobody and nothing notices.
func TestClocksThatAreWrong(t *testing.T) {
	t.Parallel()
	redisServer(t)
	program := withWrongClock(t)
	for name, later := range map[string][]time.Duration{
		"from the start":  nil,
		"set by a minute": {time.Minute, -time.Minute, 2 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const lease = 6 * time.Second
			node := startRedis(t)
			client := newClient(t, nil, node)
			var servers []*server
			wrong := []time.Duration{0, time.Minute, -time.Minute}
			for _, by := range wrong {
				servers = append(servers, startServer(t, plan{Addrs: []string{node.addr()}, SeatLease: lease, Program: program, Wrong: by}))
			}
			right, ahead, behind := servers[0], servers[1], servers[2]

			begun := time.Now()
			for _, s := range servers {
				dial(t, s.addr, "ada") // three seats, which are all
			}
			for _, s := range servers {
				if got := s.ask(t, "/limit?user=one-by-"+s.addr); !strings.HasPrefix(got, "true") {
					t.Errorf("a first token: %s", got)
				}
			}
			mintedAhead, mintedBehind := ahead.mint(t), behind.mint(t)
			right.ask(t, "/revoke?user=eve&for=40s")
			ahead.ask(t, "/revoke?user=mallory&for=40s")
			behind.ask(t, "/revoke?user=trudy&for=1s")
			behind.ask(t, "/until?for=10m")

			for i, by := range later {
				servers[i].ask(t, "/clock?for="+by.String())
				wrong[i] = by
			}
			for i, s := range servers {
				now, err := time.Parse(time.RFC3339Nano, s.ask(t, "/clock"))
				must(t, err)
				if off := time.Until(now); (off - wrong[i]).Abs() > patience {
					t.Fatalf("a clock is wrong by %v, want %v", off, wrong[i])
				}
			}

			// Ten minutes that are left at most, and what of them has not passed at least.
			left := func(what, got, want string) {
				t.Helper()
				is, for10m, _ := strings.Cut(got, " ")
				d, err := time.ParseDuration(for10m)
				if err != nil || is != want || d > 10*time.Minute || d < 10*time.Minute-time.Since(begun)-time.Second {
					t.Errorf("%s: %s; %v have passed of ten minutes", what, got, time.Since(begun))
				}
			}
			for _, s := range servers {
				for _, other := range servers {
					left("a token that is taken", s.ask(t, "/limit?user=one-by-"+other.addr), "false")
				}
				eventually(t, "maintenance is on", func() bool { return strings.HasPrefix(s.ask(t, "/maintenance"), "true") })
				left("maintenance", s.ask(t, "/maintenance"), "true")
				for _, user := range []string{"eve", "mallory"} {
					revoked := s.ask(t, "/revoked?user="+user)
					if revoked != "true" && time.Since(begun) < 40*time.Second {
						t.Errorf("a ban of 40 s on %s was over within %v", user, time.Since(begun))
					}
				}
				eventually(t, "a ban of a second is over", func() bool { return s.ask(t, "/revoked?user=trudy") == "false" })
			}
			ahead.ask(t, "/until?for=1s")
			for _, s := range servers {
				eventually(t, "maintenance of a second is over", func() bool { return strings.HasPrefix(s.ask(t, "/maintenance"), "false") })
			}

			// 2,000 takes by each at once.
			results := make(chan string, len(servers))
			for _, s := range servers {
				go func() { results <- s.ask(t, "/take?n=2000") }()
			}
			total := 0
			for range servers {
				var n int
				fmt.Sscan(<-results, &n)
				total += n
			}
			if total != 5000 {
				t.Errorf("%d of 6,000 were allowed, want 5000", total)
			}

			redeem := func(s *server, secret string) *peer { return dialURL(t, "ws://"+s.addr+"/redeem?ticket="+secret) }
			for _, ticket := range []struct {
				secret   string
				by, late *server
			}{{mintedAhead, behind, right}, {mintedBehind, ahead, behind}} {
				p := redeem(ticket.by, ticket.secret)
				if !p.alive() && time.Since(begun) < time.Minute {
					t.Errorf("a ticket was over within %v", time.Since(begun))
				}
				redeem(ticket.late, ticket.secret).wantClosed(t, "4401 ticket_invalid")
			}
			secret := ahead.mint(t)
			for _, name := range client.Keys(ctx(t), "wsverdict:ticket:*").Val() {
				if ttl := client.PTTL(ctx(t), name).Val(); ttl <= 0 || ttl > time.Minute {
					t.Errorf("a ticket of a minute is kept for %v", ttl)
				}
				must(t, client.PExpire(ctx(t), name, time.Millisecond).Err())
				eventually(t, "it is over", func() bool { return client.Exists(ctx(t), name).Val() == 0 })
			}
			redeem(behind, secret).wantClosed(t, "4401 ticket_invalid")

			renewals := func() int { return calls(t, client.Info(ctx(t), "commandstats").Val(), "eval") }
			before := renewals()
			eventually(t, "leases are renewed", func() bool { return renewals() >= before+4*len(servers)*64 })
			for _, s := range servers {
				dial(t, s.addr, "ada").wantClosed(t, "4429 too_many_connections")
			}
			for _, s := range []*server{ahead, behind} {
				s.kill()
				dial(t, right.addr, "ada").wantClosed(t, "4429 too_many_connections") // not before the lease is over
				took := eventually(t, "the seat comes back", func() bool {
					p := dial(t, right.addr, "ada")
					if !p.alive() {
						p.Close() // the server waits for so many only
						return false
					}
					return true
				})
				t.Log("after", took)
				dial(t, right.addr, "ada").wantClosed(t, "4429 too_many_connections")
			}
		})
	}
}

// mint returns a ticket.
func (s *server) mint(t testing.TB) string {
	t.Helper()
	var minted struct{ Ticket string }
	must(t, json.Unmarshal([]byte(s.ask(t, "/mint?user=ada")), &minted))
	return minted.Ticket
}

// withWrongClock builds this test anew, with a standard library whose time.Now can be wrong: the
// wall clock alone, as where a system's clock is. It returns the program.
func withWrongClock(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		if os.Getenv("WSVERDICT_REQUIRE_ALL") != "" {
			t.Fatal("the go command is not installed")
		}
		t.Skip("the go command is not installed")
	}
	dir := t.TempDir()
	overlay := map[string]string{}
	replace := func(original, text string) {
		file := filepath.Join(dir, filepath.Base(original))
		must(t, os.WriteFile(file, []byte(text), 0o644))
		overlay[original] = file
	}

	root, err := exec.Command("go", "env", "GOROOT").Output()
	must(t, err)
	timeGo := filepath.Join(strings.TrimSpace(string(root)), "src", "time", "time.go")
	text, err := os.ReadFile(timeGo)
	must(t, err)
	patched := string(text)
	for _, edit := range [][2]string{
		{"import (\n", "import (\n\t\"sync/atomic\"\n"},
		{"func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n", "var WrongSeconds atomic.Int64\n\nfunc Now() Time {\n\tsec, nsec, mono := runtimeNow()\n\tsec += WrongSeconds.Load()\n"},
	} {
		if strings.Count(patched, edit[0]) != 1 {
			t.Fatalf("%s is not as it was: where is %q?", timeGo, edit[0])
		}
		patched = strings.Replace(patched, edit[0], edit[1], 1)
	}
	replace(timeGo, patched)
	here, err := os.Getwd()
	must(t, err)
	replace(filepath.Join(here, "clock_overlay_test.go"), `package fleet_test

import "time"

func init() { setClock = func(wrong time.Duration) { time.WrongSeconds.Store(int64(wrong / time.Second)) } }
`)

	list, err := json.Marshal(map[string]any{"Replace": overlay})
	must(t, err)
	file, program := filepath.Join(dir, "overlay.json"), filepath.Join(dir, "server")
	must(t, os.WriteFile(file, list, 0o644))
	if out, err := exec.Command("go", "test", "-c", "-overlay", file, "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}
