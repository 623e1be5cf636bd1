package fleet_test

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/redis/go-redis/v9"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/middleware"
	fleet "github.com/wsverdict/wsverdict/middleware/redis"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

// The test binary is also the server of which a fleet consists: the process that has this in its
// environment.
const serverEnv = "WSVERDICT_FLEET_SERVER"

func TestMain(m *testing.M) {
	redis.SetLogger(quiet{})
	if text := os.Getenv(serverEnv); text != "" {
		serve(text)
		return
	}
	flag.Parse()
	flag.Set("test.parallel", "8") // they wait more than they compute
	os.Exit(m.Run())
}

// quiet keeps go-redis from telling that a Redis is gone which a test has just killed.
type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

// A plan is what a server process is told.
type plan struct {
	Addrs     []string
	SeatLease time.Duration
	Timeout   time.Duration
	Wrong     time.Duration // its clock, where Program is one whose clock can be

	Program string `json:"-"` // "" for this one
}

// setClock makes this process's clock wrong. Only programs of [withWrongClock] have it.
var setClock func(wrong time.Duration)

// serve is the server's main. It ends with its standard input.
func serve(text string) {
	var p plan
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		panic(err)
	}
	if p.Wrong != 0 {
		setClock(p.Wrong)
	}
	up := &upgrade.Upgrader{}
	client := redis.NewUniversalClient(&redis.UniversalOptions{Addrs: p.Addrs, ContextTimeoutEnabled: true})
	f, err := fleet.New(client, fleet.Config{Upgraders: []*upgrade.Upgrader{up}, SeatLease: p.SeatLease, Timeout: p.Timeout})
	if err != nil {
		panic(err)
	}
	<-f.Ready()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(l.Addr())
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	panic(http.Serve(l, routes(f, up)))
}

var banned = policy.Close(codes.Forbidden, "banned")

// routes are the chat's, with a user whom the query names, and what the tests ask a server to do.
func routes(f *fleet.Fleet, up *upgrade.Upgrader) http.Handler {
	c := middleware.For(up)
	r := chi.NewRouter()
	r.With(
		c.Use(f.Switch().Maintenance(policy.Func(admins))),
		c.RateLimit(middleware.RateLimitConfig{Rate: middleware.PerSecond(1e6), Limiter: f.Limiter(), Timeout: patience}),
		c.Use(policy.Func(whoever)),
		c.Use(f.Revocations()),
		c.Seats(middleware.SeatsConfig{Max: 3, Key: middleware.BySubject, Store: f.Seats(), Timeout: patience}),
	).Handle("/ws", up.Handler(hold))
	tickets := middleware.MustTickets(middleware.TicketsConfig{Store: f.Tickets(), Name: "chat", Life: time.Minute, Timeout: patience})
	r.With(c.Use(policy.Func(whoever))).Handle("/mint", tickets.Handler(up))
	r.With(c.Use(tickets), c.Use(f.Revocations())).Handle("/redeem", up.Handler(hold))
	r.Post("/take", func(w http.ResponseWriter, r *http.Request) { // n times, by 16 at a time
		n, _ := strconv.Atoi(r.FormValue("n"))
		var left, allowed atomic.Int64
		left.Store(int64(n))
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				for left.Add(-1) >= 0 {
					t, err := f.Limiter().Take(r.Context(), key("crowd"), middleware.Rate{Requests: 5000, Per: 24 * time.Hour}, 1)
					if err != nil {
						http.Error(w, err.Error(), 500)
						return
					}
					if t.Allowed {
						allowed.Add(1)
					}
				}
			})
		}
		wg.Wait()
		fmt.Fprint(w, allowed.Load())
	})
	do := func(path string, f func(r *http.Request) (answer string, err error)) {
		r.Post(path, func(w http.ResponseWriter, r *http.Request) {
			answer, err := f(r)
			if err != nil {
				http.Error(w, err.Error(), 500)
			}
			fmt.Fprint(w, answer)
		})
	}
	do("/limit", func(r *http.Request) (string, error) { // one each ten minutes
		t, err := f.Limiter().Take(r.Context(), key(r.FormValue("user")), middleware.Rate{Requests: 1, Per: 10 * time.Minute}, 1)
		return fmt.Sprint(t.Allowed, " ", t.Wait), err
	})
	do("/revoke", func(r *http.Request) (string, error) {
		return "", f.Revoke(r.Context(), banned, duration(r, time.Hour), user(r.FormValue("user")))
	})
	do("/revoked", func(r *http.Request) (string, error) {
		revoked, err := f.Revocations().Revoked(user(r.FormValue("user")))
		return fmt.Sprint(revoked), err
	})
	do("/drain", func(r *http.Request) (string, error) { return "", f.Switch().Drain(r.Context(), 0) })
	do("/until", func(r *http.Request) (string, error) {
		return "", f.Switch().Until(r.Context(), time.Now().Add(duration(r, 0)))
	})
	do("/maintenance", func(*http.Request) (string, error) {
		on, end := f.Switch().State()
		return fmt.Sprint(on, " ", time.Until(end)), nil
	})
	do("/clock", func(r *http.Request) (string, error) {
		if d := duration(r, 0); d != 0 {
			setClock(d)
		}
		return time.Now().Format(time.RFC3339Nano), nil
	})
	return r
}

// duration is how long a request says, in "for".
func duration(r *http.Request, otherwise time.Duration) time.Duration {
	if d, err := time.ParseDuration(r.FormValue("for")); err == nil {
		return d
	}
	return otherwise
}

func whoever(r *http.Request) policy.Verdict { return policy.Allow().WithSubject(r.FormValue("user")) }

// hold is a session that reads until its client leaves.
func hold(*http.Request) (upgrade.Session, error) {
	return func(ctx context.Context, c *upgrade.Conn) error {
		for {
			if _, _, err := c.Read(ctx, nil); err != nil {
				return err
			}
		}
	}, nil
}

// admins is the bypass of maintenance.
func admins(r *http.Request) policy.Verdict {
	if r.FormValue("user") == "admin" {
		return policy.Allow()
	}
	return policy.Close(codes.Forbidden, "no_admin")
}

// A server is such a process.
type server struct {
	addr    string
	command *exec.Cmd
}

func startServer(t testing.TB, p plan) *server {
	t.Helper()
	if p.Timeout == 0 {
		p.Timeout = patience / 4
	}
	text, err := json.Marshal(p)
	must(t, err)
	if p.Program == "" {
		p.Program, err = os.Executable()
		must(t, err)
	}
	s := &server{command: exec.Command(p.Program)}
	s.command.Env = append(os.Environ(), serverEnv+"="+string(text))
	s.command.Stderr = os.Stderr
	s.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	stdin, err := s.command.StdinPipe()
	must(t, err)
	stdout, err := s.command.StdoutPipe()
	must(t, err)
	must(t, s.command.Start())
	t.Cleanup(func() { stdin.Close(); s.kill() })
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("the server did not come up: %v", err)
	}
	s.addr = strings.TrimSpace(line)
	return s
}

func startServers(t testing.TB, n int, p plan) []*server {
	t.Helper()
	servers := make([]*server, n)
	for i := range servers {
		servers[i] = startServer(t, p)
	}
	return servers
}

func (s *server) kill() {
	s.command.Process.Kill()
	s.command.Wait()
}

func (s *server) signal(t testing.TB, sig os.Signal) {
	t.Helper()
	must(t, s.command.Process.Signal(sig))
}

// ask returns the answer to a plain request.
func (s *server) ask(t testing.TB, path string) string {
	t.Helper()
	r, err := http.Post("http://"+s.addr+path, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != 200 {
		t.Fatalf("%s: %s %s %v", path, r.Status, body, err)
	}
	return string(body)
}

// mint returns a ticket of ada's.
func (s *server) mint(t testing.TB) string {
	t.Helper()
	var minted struct{ Ticket string }
	must(t, json.Unmarshal([]byte(s.ask(t, "/mint?user=ada")), &minted))
	return minted.Ticket
}

// redeem connects with a ticket.
func (s *server) redeem(t testing.TB, secret string) *peer {
	t.Helper()
	return dialURL(t, "ws://"+s.addr+"/redeem?ticket="+secret)
}
