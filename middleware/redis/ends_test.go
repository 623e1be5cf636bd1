package fleet_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
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

// A ban on one server ends the connections on all, and nobody of theirs gets in anywhere.
func TestRevokeEndsConnectionsOnAllServers(t *testing.T) {
	t.Parallel()
	servers := startServers(t, 5, plan{Addrs: []string{startRedis(t).addr()}})
	var ada, bob []*peer
	for i, s := range servers {
		if i < 3 {
			ada = append(ada, dial(t, s.addr, "ada"))
		}
		bob = append(bob, dial(t, s.addr, "bob"+s.addr))
	}
	begin := time.Now()
	servers[4].ask(t, "/revoke?user=ada")
	for _, p := range ada {
		p.wantClosed(t, "4403 banned;do=stop")
	}
	t.Logf("all were closed %v after the ban was said; the aim is 200 ms", time.Since(begin))
	for i, s := range servers {
		eventually(t, "the ban is known", func() bool { return dial(t, s.addr, "ada").closed() == "4403 banned;do=stop" })
		if !bob[i].alive() {
			t.Error("somebody else was closed")
		}
	}
}

// A server that was stopped while a ban was said applies it when it goes on.
func TestRevokeReachesAServerThatWasStopped(t *testing.T) {
	t.Parallel()
	servers := startServers(t, 2, plan{Addrs: []string{startRedis(t).addr()}})
	ada, bob := dial(t, servers[1].addr, "ada"), dial(t, servers[1].addr, "bob")
	servers[1].signal(t, syscall.SIGSTOP)
	servers[0].ask(t, "/revoke?user=ada")
	servers[1].signal(t, syscall.SIGCONT)
	ada.wantClosed(t, "4403 banned")
	dial(t, servers[1].addr, "ada").wantClosed(t, "4403 banned")
	if !bob.alive() {
		t.Error("somebody else was closed")
	}
}

// A ban does not slip in between: who was judged before it, and gets a connection after, is closed.
func TestRevokeBetweenJudgementAndConnection(t *testing.T) {
	t.Parallel()
	client := newClient(t, nil, startRedis(t))
	up := &upgrade.Upgrader{}
	f, other := join(t, client, fleet.Config{Upgraders: []*upgrade.Upgrader{up}}), join(t, client, fleet.Config{})
	judged, goOn := make(chan struct{}), make(chan struct{})
	c := middleware.For(up)
	r := chi.NewRouter()
	r.With(c.Use(policy.Func(whoever)), c.Use(f.Revocations()), c.Use(policy.Func(func(*http.Request) policy.Verdict {
		close(judged)
		<-goOn
		return policy.Allow()
	}))).Handle("/ws", up.Handler(hold))
	s := httptest.NewServer(r)
	defer s.Close()
	connected := make(chan *peer)
	go func() { connected <- dial(t, strings.TrimPrefix(s.URL, "http://"), "ada") }()
	<-judged
	must(t, other.Revoke(ctx(t), banned, time.Hour, user("ada")))
	eventually(t, "the ban is known", func() bool { return f.Stats().Revocations == 1 })
	close(goOn)
	(<-connected).wantClosed(t, "4403 banned;do=stop")
}

// Every form of verdict arrives as it was said, and a server that starts later knows it; a lift is
// known, too.
func TestRevocationsOfAServerThatStartsLater(t *testing.T) {
	t.Parallel()
	client := newClient(t, nil, startRedis(t))
	f := join(t, client, fleet.Config{})
	verdicts := map[string]policy.Verdict{
		"ada":   policy.Close(codes.Forbidden, "banned"),
		"bob":   policy.Reject(codes.Unauthorized, "gone").WithHeader("Www-Authenticate", "Bearer").WithDetail("Gone."),
		"carol": policy.Close(4123, "own").WithStatus(451).WithAction(codes.Refresh).WithAfter(90 * time.Second),
	}
	for name, v := range verdicts {
		must(t, f.Revoke(ctx(t), v, time.Hour, user(name)))
	}
	must(t, f.Revoke(ctx(t), banned, time.Hour, user("dave")))
	must(t, f.Lift(ctx(t), user("dave")))
	must(t, f.Revoke(ctx(t), banned, time.Millisecond, user("erin")))

	for _, member := range []*fleet.Fleet{f, join(t, client, fleet.Config{})} {
		r := member.Revocations()
		eventually(t, "what is over is forgotten", func() bool {
			revoked, err := r.Revoked(user("erin"))
			return err == nil && !revoked
		})
		for name, want := range verdicts {
			got := r.Judge(policy.WithSubject(httptest.NewRequest("GET", "/", nil), name))
			if !got.Is(want) || got.Reason() != want.Reason() || got.Status() != want.Status() || got.Detail() != want.Detail() {
				t.Errorf("%s: got %v, want %v", name, got, want)
			}
			for field, value := range want.Header() {
				found := false
				for f, v := range got.Header() {
					found = found || f == field && v == value
				}
				if !found {
					t.Errorf("%s: without %s: %s", name, field, value)
				}
			}
		}
		if v := r.Judge(policy.WithSubject(httptest.NewRequest("GET", "/", nil), "dave")); !v.Allowed() {
			t.Errorf("lifted, and still %v", v)
		}
	}
}

// Of several tags all count, and the policy finds out about those that a function names.
func TestRevocationsByTags(t *testing.T) {
	t.Parallel()
	f := join(t, newClient(t, nil, startRedis(t)), fleet.Config{})
	device := policy.Tag{Key: "device", Value: "phone"}
	must(t, f.Revoke(ctx(t), banned, time.Hour, user("ada"), device))
	eventually(t, "known", func() bool { return f.Stats().Revocations == 1 })
	for _, tc := range []struct {
		tags    []policy.Tag
		allowed bool
	}{
		{[]policy.Tag{user("ada")}, true}, {[]policy.Tag{device}, true}, {nil, true},
		{[]policy.Tag{device, {Key: "room", Value: "7"}, user("ada")}, false},
	} {
		by := f.Revocations().By(func(*http.Request) []policy.Tag { return tc.tags })
		v := by.Judge(httptest.NewRequest("GET", "/", nil))
		if v.Allowed() != tc.allowed {
			t.Errorf("%v: %v", tc.tags, v)
		}
		if brought := slices.Collect(v.Tags()); tc.allowed && !slices.Equal(brought, tc.tags) {
			t.Errorf("brought %v of %v", brought, tc.tags)
		}
	}
	must(t, f.Lift(ctx(t), device, user("ada"))) // in any order
	eventually(t, "lifted", func() bool { return f.Stats().Revocations == 0 })
}

// Who has not caught up does not know, and says so.
func TestRevocationsBeforeTheServerIsReady(t *testing.T) {
	t.Parallel()
	redis := startRedis(t)
	client := newClient(t, nil, redis)
	redis.signal(t, syscall.SIGSTOP)
	safe := joinUnready(t, client, fleet.Config{})
	risky := joinUnready(t, client, fleet.Config{InsecureAllowUntilReady: true})
	r := policy.WithSubject(httptest.NewRequest("GET", "/", nil), "ada")
	if v := safe.Revocations().Judge(r); v.Status() != 503 || v.Slug() != "revocation_unavailable" {
		t.Errorf("got %v", v)
	}
	if _, err := safe.Revocations().Revoked(user("ada")); err != fleet.ErrNotReady {
		t.Errorf("got %v", err)
	}
	if v := risky.Revocations().Judge(r); !v.Allowed() {
		t.Errorf("got %v", v)
	}
	redis.signal(t, syscall.SIGCONT)
	<-safe.Ready()
	if v := safe.Revocations().Judge(r); !v.Allowed() {
		t.Errorf("got %v", v)
	}
}

// After the silence that was said, what is known is not trusted any more.
func TestRevocationsAfterALongSilence(t *testing.T) {
	t.Parallel()
	redis := startRedis(t)
	client := newClient(t, nil, redis)
	f := join(t, client, fleet.Config{MaxSilence: 2 * time.Second})
	redis.signal(t, syscall.SIGSTOP)
	eventually(t, "not trusted", func() bool { _, err := f.Revocations().Revoked(); return err == fleet.ErrNotReady })
	redis.signal(t, syscall.SIGCONT)
	eventually(t, "trusted", func() bool { _, err := f.Revocations().Revoked(); return err == nil })
}

// End is about connections that are there, EndAll about all of them; neither concerns newcomers,
// nor servers that start later.
func TestEndIsForgotten(t *testing.T) {
	t.Parallel()
	client := newClient(t, nil, startRedis(t))
	up := &upgrade.Upgrader{}
	f := join(t, client, fleet.Config{Upgraders: []*upgrade.Upgrader{up}})
	s := httptest.NewServer(routes(f, up))
	defer s.Close()
	addr := strings.TrimPrefix(s.URL, "http://")

	other := join(t, client, fleet.Config{})
	ada, bob := dial(t, addr, "ada"), dial(t, addr, "bob")
	must(t, other.End(ctx(t), policy.Close(codes.Conflict, "moved"), 0, user("ada")))
	ada.wantClosed(t, "4409 moved")
	again := dial(t, addr, "ada")
	late := &upgrade.Upgrader{}
	lateFleet := join(t, client, fleet.Config{Upgraders: []*upgrade.Upgrader{late}})
	s2 := httptest.NewServer(routes(lateFleet, late))
	defer s2.Close()
	there := dial(t, strings.TrimPrefix(s2.URL, "http://"), "ada")
	if !again.alive() || !bob.alive() || !there.alive() {
		t.Error("an End reached who came later")
	}
	must(t, other.EndAll(ctx(t), policy.Close(codes.ServiceUnavailable, "restart"), 0))
	for _, p := range []*peer{again, bob, there} {
		p.wantClosed(t, "4503 restart")
	}
}

// What was said about connections before a server was there is not done to those that it has when it catches up.
func TestEndIsNotAppliedAsHistory(t *testing.T) {
	t.Parallel()
	node := startRedis(t)
	client := newClient(t, nil, node)
	must(t, join(t, client, fleet.Config{}).EndAll(ctx(t), banned, 0))
	node.signal(t, syscall.SIGSTOP)
	up := &upgrade.Upgrader{}
	f := joinUnready(t, client, fleet.Config{Upgraders: []*upgrade.Upgrader{up}, InsecureAllowUntilReady: true, Timeout: time.Millisecond})
	s := httptest.NewServer(routes(f, up))
	defer s.Close()
	ada := dial(t, strings.TrimPrefix(s.URL, "http://"), "ada")
	if !ada.alive() {
		t.Fatal("not admitted")
	}
	node.signal(t, syscall.SIGCONT)
	<-f.Ready()
	for range 2 {
		if ada.alive() {
			continue
		}
		t.Error("an End of another time reached it")
	}
}

// What another version, or anybody, wrote into the stream neither stops a server nor lets somebody
// stay who was to go.
func TestStreamIsNotTrusted(t *testing.T) {
	t.Parallel()
	client := newClient(t, nil, startRedis(t))
	errs := make(chan error, 100)
	f := join(t, client, fleet.Config{OnError: func(err error) { errs <- err }})
	for _, text := range []string{
		``, `{`, `[]`, `{"kind":"party"}`, `{"kind":"revoke","for":60000}`, `{"kind":"lift"}`, `{"kind":"end"}`,
		`{"kind":"end","verdict":{"code":4403,"reason":"BAD SLUG"}}`, `{"kind":"end","verdict":{"code":1,"reason":"a"}}`,
		`{"kind":"end","verdict":{"code":4403,"reason":"a","status":200}}`, `{"kind":"end","verdict":{"code":4403,"reason":"a","header":[["",""]]}}`,
		`{"kind":"revoke","for":60000,"tags":[{"Key":"user","Value":"ada"}],"verdict":{"code":99}}`,
	} {
		must(t, client.XAdd(context.Background(), &redis.XAddArgs{Stream: "wsverdict:{fleet}:ends", Values: []any{"entry", text}}).Err())
		<-errs
	}
	must(t, client.XAdd(context.Background(), &redis.XAddArgs{Stream: "wsverdict:{fleet}:ends", Values: []any{"other", "field"}}).Err())
	must(t, f.Revoke(ctx(t), banned, time.Hour, user("bob")))
	for _, name := range []string{"ada", "bob"} {
		eventually(t, name+" is revoked", func() bool { revoked, err := f.Revocations().Revoked(user(name)); return revoked && err == nil })
	}
}

// The stream is bounded by age.
func TestStreamForgets(t *testing.T) {
	t.Parallel()
	client := newClient(t, nil, startRedis(t, "--stream-node-max-entries", "1"))
	f := join(t, client, fleet.Config{Remember: time.Minute})
	const stream = "wsverdict:{fleet}:ends"
	must(t, client.XAdd(context.Background(), &redis.XAddArgs{Stream: stream, ID: "1-1", Values: []any{"entry", "{}"}}).Err())
	for range 3 { // a node is dropped as a whole
		must(t, f.EndAll(ctx(t), banned, 0))
	}
	if n := client.XLen(context.Background(), stream).Val(); n != 3 {
		t.Errorf("%d entries, want those of the last minute", n)
	}
	if ttl := client.PTTL(context.Background(), stream).Val(); ttl <= 0 || ttl > time.Minute {
		t.Errorf("kept for %v", ttl)
	}
	for _, d := range []time.Duration{0, -1, 2 * time.Minute} {
		if err := f.Revoke(ctx(t), banned, d, user("ada")); err == nil {
			t.Errorf("revoked for %v", d)
		}
	}
}
