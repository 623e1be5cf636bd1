package browser

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/go-chi/chi/v5"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/examples/internal/chrome"
	"github.com/wsverdict/wsverdict/middleware"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

// TestLiveVerdicts ends connections that a page has open and in use. Its script must know why.
func TestLiveVerdicts(t *testing.T) {
	ban := policy.Close(codes.Forbidden, "banned")
	visitor := policy.Tag{Key: "user", Value: "visitor"}
	for _, row := range []struct {
		name   string
		end    func(*testing.T, *upgrade.Upgrader)
		code   int
		reason string // a pattern
	}{
		{"expiry", func(*testing.T, *upgrade.Upgrader) {}, 4401, `token_expired;do=refresh`},
		{"ban", func(t *testing.T, up *upgrade.Upgrader) {
			if n := up.End(ban, 0, visitor); n != sockets {
				t.Errorf("End found %d, want %d", n, sockets)
			}
		}, 4403, `banned;do=stop`},
		{"maintenance drain", func(t *testing.T, up *upgrade.Upgrader) {
			var down middleware.Switch
			if n := down.Drain(up, 500*time.Millisecond); n != sockets {
				t.Errorf("Drain found %d, want %d", n, sockets)
			}
		}, 4503, `maintenance;do=backoff;after=\d+`},
		{"shutdown", func(t *testing.T, up *upgrade.Upgrader) {
			ctx, cancel := context.WithTimeout(t.Context(), testTime)
			defer cancel()
			if err := up.Shutdown(ctx); err != nil {
				t.Errorf("Shutdown: %v", err)
			}
		}, 4503, `restart;do=reconnect;after=\d+`},
	} {
		for _, session := range []struct {
			name string
			run  upgrade.Session
		}{
			{"echoes", echoes},
			{"only writes", onlyWrites},
		} {
			t.Run(row.name+", a session that "+session.name, func(t *testing.T) {
				life := time.Hour
				if row.code == 4401 {
					life = 4 * time.Second // they are open by then
				}
				up, url := newLive(t, life, session.run)
				tab := chrome.Tab(t)
				if err := chromedp.Do(tab, chromedp.Navigate(url), chromedp.Evaluate[chromedp.Void](fmt.Sprintf(openSockets, sockets)),
					chromedp.Poll[chromedp.Void](`window.heard === window.wanted`, chromedp.WithPollingTimeout(0))); err != nil {
					t.Fatal(err)
				}
				row.end(t, up)
				seen, err := chromedp.Run(tab, chromedp.Evaluate[[]closing](`Promise.all(window.closings)`, chromedp.EvalAwaitPromise))
				if err != nil {
					t.Fatal(err)
				}
				want := regexp.MustCompile("^" + row.reason + "$")
				for _, c := range seen {
					if c.Code != row.code || !want.MatchString(c.Reason) || !c.WasClean || !c.Open {
						t.Errorf("the script saw %+v, want %d %s, clean", c, row.code, row.reason)
					}
				}
				if len(seen) != sockets {
					t.Errorf("%d closings, want %d", len(seen), sockets)
				}
			})
		}
	}
}

const sockets = 5

// openSockets opens sockets, each of which says hello. window.heard counts those that were answered, or closed before.
const openSockets = `{
	window.wanted = %d;
	window.heard = 0;
	window.closings = Array.from({ length: window.wanted }, () => new Promise((resolve) => {
		const socket = new WebSocket(location.href.replace(/^http/, "ws") + "live"), start = performance.now();
		let Open = false, answered = false;
		const answer = () => { answered ||= Boolean(++window.heard); };
		socket.onopen = () => { Open = true; socket.send("hello"); };
		socket.onmessage = answer;
		socket.onclose = ({ code, reason, wasClean }) => {
			answer();
			resolve({ Open, Protocol: socket.protocol, Code: code, Reason: reason, WasClean: wasClean, Took: performance.now() - start });
		};
	}));
}`

// newLive serves an empty page, and sessions that may live for some time.
func newLive(t *testing.T, life time.Duration, session upgrade.Session) (up *upgrade.Upgrader, url string) {
	t.Helper()
	up = &upgrade.Upgrader{LingerTimeout: testTime}
	ws := middleware.For(up)
	tagged := policy.Func(func(*http.Request) policy.Verdict {
		expiry := policy.Expiry{At: time.Now().Add(life), Owner: t.Name()}
		return policy.Allow().WithTag("user", "visitor").WithExpiry(expiry)
	})
	r := chi.NewRouter()
	r.Get("/", emptyPage)
	r.With(ws.Origin(middleware.SameOrigin), ws.Use(tagged)).
		Handle("/live", up.Handler(func(*http.Request) (upgrade.Session, error) { return session, nil }))
	s := httptest.NewUnstartedServer(r)
	s.Config.ReadHeaderTimeout = testTime
	s.Start()
	t.Cleanup(s.Close)
	return up, s.URL + "/"
}

func echoes(ctx context.Context, c *upgrade.Conn) error {
	for {
		typ, message, err := c.Read(ctx, nil)
		if err != nil {
			return err
		}
		if err := c.Write(ctx, typ, message); err != nil {
			return err
		}
	}
}

// onlyWrites reads one message, as the page sends one, and then leaves reading to CloseRead.
func onlyWrites(ctx context.Context, c *upgrade.Conn) error {
	if _, _, err := c.Read(ctx, nil); err != nil {
		return err
	}
	c.CloseRead()
	for ctx.Err() == nil {
		if err := c.Write(ctx, upgrade.Text, []byte(strings.Repeat("news ", 1000))); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(10 * time.Millisecond):
		}
	}
	return context.Cause(ctx)
}
