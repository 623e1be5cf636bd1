package upgrade_test

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

var banned = policy.Close(codes.Forbidden, "banned")

const bannedText = "banned;do=stop"

func user(name string) policy.Tag   { return policy.Tag{Key: "user", Value: name} }
func room(number string) policy.Tag { return policy.Tag{Key: "room", Value: number} }

func TestEnd(t *testing.T) {
	quiet(t)
	queries := []string{"user=alice&room=1", "user=alice&room=2", "user=bob&room=1", "user=bob&room=2", ""}
	for _, tc := range []struct {
		name    string
		tags    []policy.Tag
		within  time.Duration
		verdict policy.Verdict
		profile codes.Profile
		ended   []int
		code    uint16
		reason  string
	}{
		{name: "one tag", tags: []policy.Tag{user("alice")}, verdict: banned, ended: []int{0, 1}, code: 4403, reason: bannedText},
		{name: "two tags", tags: []policy.Tag{room("1"), user("alice")}, verdict: banned, ended: []int{0}, code: 4403, reason: bannedText},
		{name: "the same tag twice", tags: []policy.Tag{room("1"), room("1")}, verdict: banned, ended: []int{0, 2}, code: 4403, reason: bannedText},
		{name: "two values of one key", tags: []policy.Tag{room("1"), room("2")}, verdict: banned},
		{name: "a tag that nobody has", tags: []policy.Tag{room("3"), user("alice")}, verdict: banned},
		{name: "the value under another key", tags: []policy.Tag{{Key: "room", Value: "alice"}}, verdict: banned},
		{name: "all", verdict: banned, ended: []int{0, 1, 2, 3, 4}, code: 4403, reason: bannedText},
		{name: "spread", tags: []policy.Tag{user("bob")}, within: 300 * time.Millisecond, verdict: banned.WithAfter(10 * time.Second),
			ended: []int{2, 3}, code: 4403, reason: bannedText + ";after=11"},
		{name: "now", tags: []policy.Tag{user("bob")}, verdict: banned.WithAfter(10 * time.Second),
			ended: []int{2, 3}, code: 4403, reason: bannedText + ";after=10"},
		{name: "profile", tags: []policy.Tag{user("bob")}, verdict: banned, profile: codes.IANA, ended: []int{2, 3}, code: 3003, reason: bannedText},
		{name: "reject", tags: []policy.Tag{user("bob")}, verdict: banned.Hide(), ended: []int{2, 3}, code: 4403, reason: bannedText},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			up := &upgrade.Upgrader{Profile: tc.profile}
			cause := make(chan error, len(queries))
			addr := newServer(t, tagged(up)(up.Handler(run(func(ctx context.Context, c *upgrade.Conn) error {
				err := echoAll(ctx, c)
				cause <- context.Cause(ctx)
				return err
			}))))
			clients := make([]*client, len(queries))
			for i, q := range queries {
				clients[i] = connect(t, addr, at(q))
				clients[i].say("hello")
			}
			end := func() int { return up.End(tc.verdict, tc.within, tc.tags[0], tc.tags[1:]...) }
			if len(tc.tags) == 0 {
				end = func() int { return up.EndAll(tc.verdict, tc.within) }
			}
			if n := end(); n != len(tc.ended) {
				t.Errorf("End says %d, want %d", n, len(tc.ended))
			}
			for _, i := range tc.ended {
				clients[i].wantClose(tc.code, tc.reason)
				clients[i].bye()
				if err := receive(t, cause); !errors.Is(err, upgrade.ErrClosed) || !errors.Is(err, tc.verdict) {
					t.Errorf("the context's cause is %v", err)
				}
			}
			for i, c := range clients {
				if !slices.Contains(tc.ended, i) {
					c.say("still here")
					c.leave(1000)
				}
			}
			wantEmpty(t, up)
		})
	}
}

// The closes are spread over the time, and so are the waits that clients are told. It is left to
// chance, so to several tries.
func TestEndSpreads(t *testing.T) {
	synctest.Test(t, testEndSpreads)
}

func testEndSpreads(t *testing.T) {
	const n, within = 40, 1200 * time.Millisecond
	for range 5 {
		up := &upgrade.Upgrader{}
		h := up.Handler(run(listen))
		clients := make([]*client, n)
		for i := range clients {
			clients[i] = connectInMemory(t, h)
		}
		begun := time.Now()
		up.EndAll(banned, within)
		var mu sync.Mutex
		var moments []time.Duration
		waits := map[string]int{}
		var all sync.WaitGroup
		for _, c := range clients {
			all.Go(func() {
				_, reason := c.closed()
				mu.Lock()
				defer mu.Unlock()
				moments = append(moments, time.Since(begun))
				waits[strings.TrimPrefix(reason, bannedText)]++
			})
		}
		all.Wait()
		for _, c := range clients {
			c.bye()
		}
		wantEmpty(t, up)
		if waits[";after=1"]+waits[";after=2"] != n {
			t.Fatalf("the waits are %v, want 1 or 2 seconds", waits)
		}
		slices.Sort(moments)
		if len(waits) == 2 && moments[n/4] > within/20 && moments[n/4] < within/2 && moments[n-1]-moments[0] > within/2 {
			return
		}
		t.Logf("the waits are %v, the moments %v", waits, moments)
	}
	t.Error("not spread, five times")
}

// A connection can be ended before its client knows that it is connected, from wherever the chain
// stands.
func TestEndDuringTheHandshake(t *testing.T) {
	t.Parallel()
	for _, place := range []string{"a later policy", "the endpoint's function", "the hijack", "the event"} {
		t.Run(place, func(t *testing.T) {
			t.Parallel()
			up := &upgrade.Upgrader{}
			end := func(here string) {
				if here == place {
					up.End(banned, 0, user("alice"))
					up.End(banned, 0, user("bob"))
				}
			}
			up.Observer = upgrade.ObserverFunc(func(e upgrade.Event) {
				if e.Outcome == upgrade.Admitted {
					end("the event")
				}
			})
			later := policy.Func(func(*http.Request) policy.Verdict { end("a later policy"); return policy.Allow() })
			h := tagged(up)(up.Use(later)(up.Handler(func(*http.Request) (upgrade.Session, error) {
				end("the endpoint's function")
				return echoAll, nil
			})))
			addr := newServer(t, hijacker(func(w http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error) {
				end("the hijack")
				return w.(http.Hijacker).Hijack()
			})(h))
			c := connect(t, addr, at("user=alice"))
			c.wantClose(4403, bannedText)
			c.bye()
			other := connect(t, addr, at("user=carol"))
			other.say("not meant")
			other.leave(1000)
			wantEmpty(t, up)
		})
	}
}

// What was ended before a handshake began has nothing to do with it.
func TestEndIsNoBan(t *testing.T) {
	up := &upgrade.Upgrader{}
	addr := newServer(t, tagged(up)(up.Handler(run(echoAll))))
	first := connect(t, addr, at("user=alice"))
	up.End(banned, time.Hour, user("alice"))
	up.EndAll(banned, 0)
	first.wantClose(4403, bannedText)
	first.bye()
	second := connect(t, addr, at("user=alice"))
	second.say("back")
	second.leave(1000)
	wantEmpty(t, up)
}

// Of two Ends the one counts whose moment comes first.
func TestEndTwice(t *testing.T) {
	t.Parallel()
	for name, within := range map[string][2]time.Duration{"sooner": {time.Hour * 1000, 300 * time.Millisecond}, "later": {300 * time.Millisecond, time.Hour * 1000}} {
		up := &upgrade.Upgrader{LingerTimeout: time.Hour}
		c := admit(t, up, listen)
		verdicts := map[bool]policy.Verdict{true: banned, false: expired}
		for i, w := range within {
			if n := up.EndAll(verdicts[w < time.Hour], w); n != 1 {
				t.Errorf("%s: End %d says %d", name, i, n)
			}
		}
		c.wantClose(4403, bannedText+";after=1")
		c.bye()
		wantEmpty(t, up)
	}
}

func TestConnTag(t *testing.T) {
	t.Parallel()
	up := &upgrade.Upgrader{}
	conns := make(chan *upgrade.Conn, 1)
	addr := newServer(t, tagged(up)(up.Handler(run(func(ctx context.Context, c *upgrade.Conn) error {
		conns <- c
		return listen(ctx, c)
	}))))
	c := connect(t, addr, at("user=alice"))
	conn := receive(t, conns)
	for range 2 { // a second time changes nothing
		conn.Tag("room", "7")
		conn.Tag("user", "alice")
	}
	tags := conn.Tags()
	if len(tags) != 2 || !slices.Contains(tags, user("alice")) || !slices.Contains(tags, room("7")) {
		t.Errorf("tags %v", tags)
	}
	if n := up.End(banned, 0, room("7"), user("alice")); n != 1 {
		t.Errorf("%d have the tags", n)
	}
	c.wantClose(4403, bannedText)
	c.bye()
	wantEmpty(t, up)
	conn.Tag("room", "8") // too late
	if n := up.End(banned, 0, room("8")); n != 0 {
		t.Errorf("%d connections that are gone have tags", n)
	}
}

func TestEndWithAnAllow(t *testing.T) {
	if got := panicOf(t, func() { (&upgrade.Upgrader{}).End(policy.Allow(), 0, user("alice")) }); got != "upgrade: End with an allowing verdict" {
		t.Errorf("panic %q", got)
	}
	if got := panicOf(t, func() { (&upgrade.Upgrader{}).EndAll(policy.Allow(), 0) }); got != "upgrade: EndAll with an allowing verdict" {
		t.Errorf("panic %q", got)
	}
}

// Tags come and go while others look for them.
func TestTagStorm(t *testing.T) {
	t.Parallel()
	up := &upgrade.Upgrader{LingerTimeout: time.Hour}
	addr := newServer(t, tagged(up)(up.Handler(run(func(ctx context.Context, c *upgrade.Conn) error {
		for _, number := range []string{"1", "2", "3", "1"} {
			c.Tag("room", number)
		}
		return listen(ctx, c)
	}))))
	stop, stopped := context.WithCancel(t.Context())
	var ends, clients sync.WaitGroup
	for _, number := range []string{"1", "2", "3"} {
		ends.Go(func() {
			for stop.Err() == nil {
				up.End(banned, time.Duration(len(number))*150*time.Millisecond, room(number), user("alice"))
				up.End(banned, 0, room(number), user("bob"))
				up.Stats()
			}
		})
	}
	for _, name := range []string{"alice", "bob"} {
		for range 4 {
			clients.Go(func() {
				for range 10 {
					c := connect(t, addr, at("user="+name+"&room=1"))
					if code, _ := c.closed(); code != 4403 {
						t.Errorf("closed with %d", code)
					}
					c.bye()
				}
			})
		}
	}
	clients.Wait()
	stopped()
	ends.Wait()
	wantEmpty(t, up)
}
