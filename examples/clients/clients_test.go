// Package clients holds the profiles to the clients that they are for: the real npm packages meet
// the refusals of a real server, and must do what the verdict says.
package clients

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/middleware"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

// patience is for a client that hangs: no test should come near it.
const patience = 2 * time.Minute

// verdicts are what each client is refused with, at its first attempt and in its first session.
var verdicts = []policy.Verdict{
	policy.Close(codes.Unauthorized, "token_expired").WithAction(codes.Refresh),
	policy.Close(codes.Unauthorized, "token_revoked").WithAction(codes.Stop),
	policy.Close(codes.Forbidden, "not_a_member"),
	policy.Close(codes.NotFound, "no_such_room"),
	policy.Close(codes.TooManyRequests, "rate_limited").WithAfter(time.Second),
	policy.Close(codes.InternalServerError, "failed"),
	policy.Close(codes.ServiceUnavailable, "maintenance"),
	policy.Close(codes.ServiceUnavailable, "restart").WithAction(codes.Reconnect),
	policy.Close(codes.ServiceUnavailable, "restart_spread").WithAction(codes.Reconnect).WithAfter(time.Second),
	policy.Close(codes.GatewayTimeout, "database_slow"),
}

// A client is one of meet.mjs.
type client struct {
	name        string
	profile     codes.Profile
	subprotocol []string
	greet       func(ctx context.Context, c *upgrade.Conn) (message []byte, err error) // how a server of its kind admits it
	refreshes   bool                                                                   // it has a token that it can get anew
}

var clients = []client{
	{name: "graphql-ws", profile: codes.GraphQLTransportWS, subprotocol: []string{"graphql-transport-ws"}, greet: greetGraphQL, refreshes: true},
	{name: "centrifuge", profile: codes.Centrifuge, greet: greetCentrifuge, refreshes: true},
	{name: "pusher-js", profile: codes.Pusher, greet: greetPusher},
}

// A result is what meet.mjs prints.
type result struct {
	Case      string
	Result    string // connected: it came back; ended: it gave up
	Refreshed bool
	Waits     int
}

func TestClientsDoWhatTheVerdictSays(t *testing.T) {
	requireNode(t)
	table := map[string]string{}
	for _, c := range clients {
		t.Run(c.name, func(t *testing.T) {
			for _, at := range []string{"door", "session"} {
				got := meet(t, c, c.profile, at)
				for _, v := range verdicts {
					r := got[v.Slug()]
					if want := wanted(c, v); r.Result != want.Result || r.Refreshed != want.Refreshed || r.Waits < want.Waits {
						t.Errorf("%s at the %s: %+v, want %+v", v.Reason(), at, r, want)
					}
					if at == "door" {
						table[c.name+v.Slug()] = cell(c.profile, v, r)
					}
				}
			}
			for slug, r := range meet(t, c, codes.Mirrored, "door") {
				table[c.name+"mirrored"+slug] = cell(codes.Mirrored, bySlug(slug), r)
			}
		})
	}
	if !t.Failed() {
		tableIsCurrent(t, table)
	}
}

// wanted is what the authors of the client meant: on stop it gives up; on refresh it comes back
// with a new token, and where it has none that it could get it gives up, so that the page can; on
// everything else it comes back.
func wanted(c client, v policy.Verdict) result {
	switch v.Action() {
	case codes.Stop:
		return result{Result: "ended"}
	case codes.Refresh:
		if !c.refreshes {
			return result{Result: "ended"}
		}
		return result{Result: "connected", Refreshed: true}
	}
	want := result{Result: "connected"}
	if c.name == "pusher-js" && (v.Action() == codes.Backoff || v.After() > 0) {
		want.Waits = 1
	}
	return want
}

// meet lets the client connect to a server that speaks profile, once for each verdict. It refuses
// with it the first time, and admits whoever comes back.
func meet(t *testing.T, c client, profile codes.Profile, at string) map[string]result {
	t.Helper()
	s := &server{client: c, at: at, attempts: map[string]int{}, fresh: map[string]bool{}}
	up := &upgrade.Upgrader{Subprotocols: c.subprotocol, Profile: profile}
	ws := middleware.For(up)
	r := chi.NewRouter()
	for _, pattern := range []string{"/{case}", "/{case}/app/{key}"} { // the second is Pusher's
		r.With(ws.Use(policy.Func(s.judge))).Handle(pattern, up.Handler(s.session))
	}
	web := httptest.NewServer(r)
	defer web.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()

	args := []string{"meet.mjs", c.name, strings.Replace(web.URL, "http", "ws", 1)}
	for _, v := range verdicts {
		args = append(args, v.Slug())
	}
	cmd := exec.CommandContext(ctx, "node", args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("node %s: %v (%v)\n%s\n%s", strings.Join(args, " "), err, ctx.Err(), out, &stderr)
	}
	results := map[string]result{}
	for decoder := json.NewDecoder(bytes.NewReader(out)); decoder.More(); {
		var r result
		if err := decoder.Decode(&r); err != nil {
			t.Fatalf("%v in %s", err, out)
		}
		results[r.Case] = r
		s.mu.Lock()
		if n := s.attempts[r.Case]; r.Result == "ended" && n != 1 || r.Result == "connected" && n != 2 {
			t.Errorf("%s: %s after %d attempts", r.Case, r.Result, n)
		}
		if r.Result == "connected" && r.Refreshed != s.fresh[r.Case] {
			t.Errorf("%s: asked for a new token: %t; came with one: %t", r.Case, r.Refreshed, s.fresh[r.Case])
		}
		s.mu.Unlock()
	}
	if err := up.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	return results
}

// A server refuses everybody's first attempt.
type server struct {
	client client
	at     string // door or session: where it refuses

	mu       sync.Mutex
	attempts map[string]int // by case
	fresh    map[string]bool
}

// judge refuses at the door.
func (s *server) judge(r *http.Request) policy.Verdict {
	name := r.PathValue("case")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.attempts[name]++
	s.fresh[name] = r.URL.Query().Get("token") == "new"
	if s.at == "door" && s.attempts[name] == 1 {
		return bySlug(name)
	}
	return policy.Allow()
}

// session refuses later, or greets.
func (s *server) session(r *http.Request) (upgrade.Session, error) {
	name := r.PathValue("case")
	s.mu.Lock()
	defer s.mu.Unlock()
	first := s.attempts[name] == 1
	return func(ctx context.Context, c *upgrade.Conn) error {
		if first {
			return bySlug(name)
		}
		message, err := s.client.greet(ctx, c)
		if err != nil {
			return err
		}
		if bytes.Contains(message, []byte(`"token":"new"`)) {
			s.mu.Lock()
			s.fresh[name] = true
			s.mu.Unlock()
		}
		_, _, err = c.Read(ctx, nil) // until it goes
		return err
	}, nil
}

func greetGraphQL(ctx context.Context, c *upgrade.Conn) ([]byte, error) {
	_, message, err := c.Read(ctx, nil) // connection_init
	if err != nil {
		return nil, err
	}
	return message, c.Write(ctx, upgrade.Text, []byte(`{"type":"connection_ack"}`))
}

func greetCentrifuge(ctx context.Context, c *upgrade.Conn) ([]byte, error) {
	_, message, err := c.Read(ctx, nil) // the connect command, with the token
	if err != nil {
		return nil, err
	}
	var command struct{ ID int }
	if err := json.Unmarshal(message, &command); err != nil {
		return nil, err
	}
	reply := fmt.Appendf(nil, `{"id":%d,"connect":{"client":"c1","version":"test"}}`, command.ID)
	return message, c.Write(ctx, upgrade.Text, reply)
}

func greetPusher(ctx context.Context, c *upgrade.Conn) ([]byte, error) {
	return nil, c.Write(ctx, upgrade.Text,
		[]byte(`{"event":"pusher:connection_established","data":"{\"socket_id\":\"1.1\",\"activity_timeout\":120}"}`))
}

func bySlug(slug string) policy.Verdict {
	for _, v := range verdicts {
		if v.Slug() == slug {
			return v
		}
	}
	panic("no verdict " + slug)
}

// requireNode skips the test where Node or the packages are missing. Where WSVERDICT_REQUIRE_ALL=1
// is set it fails.
func requireNode(t *testing.T) {
	t.Helper()
	missing := ""
	if _, err := exec.LookPath("node"); err != nil {
		missing = "no node found"
	} else if _, err := os.Stat("node_modules"); errors.Is(err, fs.ErrNotExist) {
		missing = "no packages: run npm ci in examples/clients"
	}
	switch {
	case missing == "":
	case os.Getenv("WSVERDICT_REQUIRE_ALL") == "1":
		t.Fatal(missing + ", and WSVERDICT_REQUIRE_ALL=1 is set")
	default:
		t.Skip(missing)
	}
}
