package upgrade_test

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

// TestBanDuringAdmission has a ban recorded and said while a handshake is in a foreign handler: its
// policies, which bring nothing, have judged already, and there is no connection yet that End could
// find.
func TestBanDuringAdmission(t *testing.T) {
	t.Parallel()
	for _, brings := range []bool{false, true} {
		for _, again := range []bool{false, true} { // a second foreign handler, behind a second link
			t.Run(fmt.Sprintf("brings %v, again %v", brings, again), func(t *testing.T) {
				up := &upgrade.Upgrader{}
				var bans sync.Map
				bansPolicy := policy.Func(func(r *http.Request) policy.Verdict {
					if _, ok := bans.Load(r.URL.Query().Get("user")); ok {
						return banned
					}
					if brings {
						return policy.Allow().WithTag("judged", "yes")
					}
					return policy.Allow()
				})
				ban := func(next http.Handler) http.Handler {
					return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						bans.Store("alice", true)
						up.End(banned, 0, user("alice"))
						next.ServeHTTP(w, r)
					})
				}
				chain := []func(http.Handler) http.Handler{up.Use(bansPolicy)}
				if again {
					chain = append(chain, foreign, up.Use(always(policy.Allow())))
				}
				c, res := handshake(t, newServer(t, wrap(tagged(up)(up.Handler(run(listen))), append(chain, ban)...)), at("user=alice"))
				wantStatus(t, res, 101)
				c.wantClose(4403, bannedText)
				c.bye()
				wantEmpty(t, up)
			})
		}
	}
}

// TestBanDuringAdmissionThroughRouters is the same, with the links on several floors of routers, and
// the ban in a foreign handler on each of them.
func TestBanDuringAdmissionThroughRouters(t *testing.T) {
	t.Parallel()
	type middleware = func(http.Handler) http.Handler
	for _, origin := range []string{"-Origin", "Origin: https://listed.example.com"} {
		for at := range 4 {
			up := &upgrade.Upgrader{}
			var bans sync.Map
			bansPolicy := policy.Func(func(r *http.Request) policy.Verdict {
				if _, ok := bans.Load(r.URL.Query().Get("user")); ok {
					return banned
				}
				return policy.Allow()
			})
			floor := func(n int) middleware {
				return func(next http.Handler) http.Handler {
					return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						if n == at {
							bans.Store("alice", true)
							up.End(banned, 0, user("alice"), room("1"))
						}
						next.ServeHTTP(w, r)
					})
				}
			}
			mux := func(pattern string, h http.Handler) http.Handler {
				m := http.NewServeMux()
				m.Handle(pattern, h)
				return m
			}
			listed := up.Origin(upgrade.OriginCheck{Match: func(o upgrade.Origin) bool { return o.Host == "listed.example.com" }})
			tagger := wrap(wrap(up.Handler(func(*http.Request) (upgrade.Session, error) {
				if at == 3 {
					bans.Store("alice", true)
					up.End(banned, 0, room("1"), user("alice"))
				}
				return listen, nil
			}), floor(2)), tagged(up))
			mounted := wrap(mux("/ws", wrap(tagger, up.Use(always(policy.Allow())), floor(1))), up.Shadow(always(banned)))
			h := wrap(mux("/", mounted), listed, up.Use(bansPolicy), floor(0))
			c, res := handshake(t, newServer(t, h), "GET /ws?user=alice&room=1 HTTP/1.1", origin)
			wantStatus(t, res, 101)
			c.wantClose(4403, bannedText)
			c.bye()
			wantEmpty(t, up)
		}
	}
}

// TestRenewAtTheExpiry extends connections just when they expire. Each either goes on or is closed as
// expired: its session, which returns what Extend says, is never closed with 1011.
func TestRenewAtTheExpiry(t *testing.T) {
	t.Parallel()
	up := &upgrade.Upgrader{}
	owner := new(int)
	expires := policy.Func(func(*http.Request) policy.Verdict {
		return policy.Allow().WithExpiry(policy.Expiry{At: time.Now().Add(150 * time.Millisecond), Owner: owner, Subject: "alice"})
	})
	addr := newServer(t, up.Use(expires)(up.Handler(run(func(ctx context.Context, c *upgrade.Conn) error {
		until := time.Now().Add(time.Second)
		for time.Now().Before(until) {
			if err := c.Extend(policy.Expiry{At: time.Now().Add(50 * time.Millisecond), Owner: owner, Subject: "alice"}); err != nil {
				return err
			}
		}
		return nil
	}))))
	var all sync.WaitGroup
	for range 40 {
		all.Go(func() {
			c := connect(t, addr)
			if code, reason := c.closed(); code != 1000 && (code != 4401 || reason != expiredText) {
				t.Errorf("closed with %d %q", code, reason)
			}
			c.bye()
		})
	}
	all.Wait()
	wantEmpty(t, up)
}

// TestExtendAfterTheExpiry says why it is too late, in a form that a session can return.
func TestExtendAfterTheExpiry(t *testing.T) {
	synctest.Test(t, testExtendAfterTheExpiry)
}

func testExtendAfterTheExpiry(t *testing.T) {
	up := &upgrade.Upgrader{}
	said := make(chan error, 1)
	expires := policy.Func(func(*http.Request) policy.Verdict {
		return policy.Allow().WithExpiry(policy.Expiry{At: time.Now(), Owner: 1})
	})
	c := connectInMemory(t, up.Use(expires)(up.Handler(run(func(ctx context.Context, c *upgrade.Conn) error {
		<-ctx.Done()
		err := c.Extend(policy.Expiry{At: time.Now().Add(time.Hour), Owner: 1})
		said <- err
		return err
	}))))
	c.wantClose(4401, expiredText)
	var v policy.Verdict
	if err := receive(t, said); !errors.As(err, &v) || v.Slug() != "token_expired" || !errors.Is(err, upgrade.ErrClosed) {
		t.Errorf("got %v", err)
	}
	c.bye()
	wantEmpty(t, up)
}

// TestEndDuringASlowAdmission ends a connection that is in the set already, but whose client has no
// answer yet: because the writing of the 101 takes long, or the Observer.
func TestEndDuringASlowAdmission(t *testing.T) {
	t.Parallel()
	const linger = time.Second
	long := func() { <-time.After(linger + linger/2) }
	for name, slow := range map[string]func(up *upgrade.Upgrader) func(http.Handler) http.Handler{
		"Observer": func(up *upgrade.Upgrader) func(http.Handler) http.Handler {
			up.Observer = upgrade.ObserverFunc(func(e upgrade.Event) {
				if e.Outcome == upgrade.Admitted {
					up.EndAll(banned, 0)
					long()
				}
			})
			return foreign
		},
		"upgrade": func(up *upgrade.Upgrader) func(http.Handler) http.Handler {
			return slowWrites(func() { up.EndAll(banned, 0); long() })
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			up := &upgrade.Upgrader{LingerTimeout: linger}
			outer := slow(up)
			h := outer(up.Handler(run(listen)))
			for _, answers := range []bool{true, false} { // who does not is cut off in time
				c := connectInMemory(t, h)
				c.wantClose(4403, bannedText)
				c.SetReadDeadline(time.Now().Add(linger * 9 / 10)) // it has all of the linger's time to answer
				if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("%s: not waited for: %v", name, err)
				}
				c.SetReadDeadline(time.Time{})
				if answers {
					c.bye()
				}
				wantEmpty(t, up)
			}
		})
	}
}

// slowWrites calls f before the first write of a connection that is taken over.
func slowWrites(f func()) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(slowWriter{w, f}, r)
		})
	}
}

type slowWriter struct {
	http.ResponseWriter
	before func()
}

func (w slowWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buf, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	slow := &slowConn{Conn: conn, before: w.before}
	return slow, bufio.NewReadWriter(buf.Reader, bufio.NewWriter(slow)), nil
}

type slowConn struct {
	net.Conn
	before func()
	once   sync.Once
}

func (c *slowConn) Write(p []byte) (int, error) {
	c.once.Do(c.before)
	return c.Conn.Write(p)
}

func (c *slowConn) CloseWrite() error { return c.Conn.(interface{ CloseWrite() error }).CloseWrite() }

// TestExtendReplacesTags: who was found by the old credentials is found by the new ones.
func TestExtendReplacesTags(t *testing.T) {
	up := &upgrade.Upgrader{}
	brings := policy.Func(func(*http.Request) policy.Verdict {
		return policy.Allow().WithTag("of", "nobody").
			WithExpiry(policy.Expiry{At: time.Now().Add(time.Hour), Owner: "token", Subject: "alice", Tags: []policy.Tag{{Key: "jti", Value: "1"}, user("alice")}})
	})
	others := policy.Func(func(*http.Request) policy.Verdict {
		return policy.Allow().WithTag("room", "1").WithTag("user", "alice")
	})
	renewed := make(chan []policy.Tag, 2)
	addr := newServer(t, up.Use(brings)(up.Use(others)(up.Handler(run(func(ctx context.Context, c *upgrade.Conn) error {
		for _, jti := range []string{"2", "3"} {
			err := c.Extend(policy.Expiry{At: time.Now().Add(time.Hour), Owner: "token", Subject: "alice",
				Tags: []policy.Tag{{Key: "jti", Value: jti}}})
			if err != nil {
				return err
			}
			renewed <- c.Tags()
		}
		c.Untag("room", "1")
		c.Untag("room", "2") // it has none
		renewed <- c.Tags()
		return listen(ctx, c)
	})))))
	c := connect(t, addr)
	for i, want := range [][]policy.Tag{
		{{Key: "jti", Value: "2"}, {Key: "of", Value: "nobody"}, room("1"), user("alice")}, // that of two stays
		{{Key: "jti", Value: "3"}, {Key: "of", Value: "nobody"}, room("1"), user("alice")},
		{{Key: "jti", Value: "3"}, {Key: "of", Value: "nobody"}, user("alice")},
	} {
		got := receive(t, renewed)
		slices.SortFunc(got, func(a, b policy.Tag) int { return cmp.Compare(a.Key, b.Key) })
		if !slices.Equal(got, want) {
			t.Errorf("%d: tags %v, want %v", i, got, want)
		}
	}
	for tag, want := range map[policy.Tag]int{{Key: "jti", Value: "1"}: 0, {Key: "jti", Value: "2"}: 0, room("1"): 0, {Key: "jti", Value: "3"}: 1} {
		if n := up.End(banned, 0, tag); n != want {
			t.Errorf("%v is found %d times, want %d", tag, n, want)
		}
	}
	c.wantClose(4403, bannedText)
	c.bye()
	wantEmpty(t, up)
}

// TestShutdownInTheLeastTime has clients that do not answer, a session that does not return, and a
// server.
func TestShutdownInTheLeastTime(t *testing.T) {
	t.Parallel()
	serve := func(up *upgrade.Upgrader, s upgrade.Session) (*http.Server, string) {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		srv := &http.Server{Handler: up.Handler(run(s))}
		t.Cleanup(func() { srv.Close() })
		go srv.Serve(listener)
		return srv, listener.Addr().String()
	}
	t.Run("silent clients", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			up := &upgrade.Upgrader{}
			h := up.Handler(run(listen))
			for range 20 {
				connectInMemory(t, h) // and never answers
			}
			if err := up.Shutdown(in(t, 3*time.Second)); err != nil {
				t.Errorf("3 seconds were not enough: %v", err)
			}
		})
	})
	t.Run("a stubborn session", func(t *testing.T) {
		t.Parallel()
		up := &upgrade.Upgrader{}
		stubborn, began := make(chan struct{}), make(chan struct{})
		defer close(stubborn)
		srv, addr := serve(up, func(context.Context, *upgrade.Conn) error { close(began); <-stubborn; return nil })
		connect(t, addr)
		receive(t, began)                             // who is ended before its session begins has none
		err := up.Shutdown(in(t, 3*time.Second), srv) // the server's part takes milliseconds
		joined, ok := err.(interface{ Unwrap() []error })
		if !ok || len(joined.Unwrap()) != 1 || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the sessions' error alone", err)
		}
		if _, err := net.Dial("tcp", addr); err == nil {
			t.Error("the server still listens")
		}
	})
}
