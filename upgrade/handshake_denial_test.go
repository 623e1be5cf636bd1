package upgrade_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

// Rule 1: a denied request goes no further, whatever it looks like.
func TestDeniedGoesNoFurther(t *testing.T) {
	up := &upgrade.Upgrader{}
	hidden := policy.Reject(codes.Forbidden, "banned")
	for _, tc := range []struct {
		name    string
		verdict policy.Verdict
		changes []string
		status  int
		reason  string // of the close frame behind a 101
	}{
		{"WebSocket", expired, nil, 101, expiredText},
		{"WebSocket without Origin", expired, []string{"-Origin"}, 101, expiredText},
		{"plain", expired, []string{"-Upgrade", "-Connection"}, 401, ""},
		{"plain POST", expired, []string{"POST / HTTP/1.1", "-Upgrade", "+Content-Length: 0"}, 401, ""},
		{"forged Upgrade", expired, []string{"-Sec-WebSocket-Key"}, 401, ""},
		{"forged Upgrade of a POST", expired, []string{"POST / HTTP/1.1", "+Content-Length: 0"}, 401, ""},
		{"body behind the handshake", expired, []string{"+Content-Length: 0", "+Transfer-Encoding: chunked"}, 401, ""},
		{"cross-site", expired, []string{"Origin: https://evil.example"}, 401, ""},
		{"opaque origin", expired, []string{"Origin: null"}, 401, ""},
		{"no common subprotocol", expired, []string{"+Sec-WebSocket-Protocol: chat"}, 401, ""},
		{"hidden", hidden, nil, 403, ""},
		{"hidden, plain", hidden, []string{"-Upgrade"}, 403, ""},
		{"zero Verdict", policy.Verdict{}, nil, 101, "undecided;do=backoff"},
		{"zero Verdict, plain", policy.Verdict{}, []string{"-Upgrade"}, 500, ""},
		{"own code", policy.Close(4123, "own"), []string{"-Upgrade"}, 403, ""},
		{"own code with status", policy.Close(4123, "own").WithStatus(409), []string{"-Upgrade"}, 409, ""},
		{"wait", policy.Close(codes.TooManyRequests, "slow_down").WithAfter(30e9), nil, 101, "slow_down;do=backoff;after=30"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			deny := up.Use(always(tc.verdict))
			for _, chain := range []http.Handler{
				deny(forbidden(t)),                     // an ordinary route
				deny(up.Handler(forbiddenEndpoint(t))), // an endpoint
				wrap(forbidden(t), foreign, up.Use(always(policy.Allow())), foreign, deny, foreign),
			} {
				c, res := handshake(t, newServer(t, chain), tc.changes...)
				wantStatus(t, res, tc.status)
				if tc.status != 101 {
					if p := problemOf(t, res); p.Slug != tc.verdict.Slug() || p.Code != int(tc.verdict.Code()) {
						t.Errorf("got problem %+v", p)
					}
					continue
				}
				c.wantClose(uint16(tc.verdict.Code()), tc.reason)
				c.bye()
			}
		})
	}
}

func forbiddenEndpoint(t *testing.T) upgrade.Handler {
	return func(*http.Request) (upgrade.Session, error) {
		t.Error("the endpoint's function was called")
		return idle, nil
	}
}

// In every order the outermost denial is the answer, and nothing behind it is asked.
func TestPermutedOrder(t *testing.T) {
	up := &upgrade.Upgrader{}
	answers := []struct {
		status int
		judge  policy.Func
	}{
		{0, func(*http.Request) policy.Verdict { return policy.Allow() }},
		{403, func(*http.Request) policy.Verdict { return policy.Reject(codes.Forbidden, "banned") }},
		{401, func(*http.Request) policy.Verdict { return policy.Close(codes.Unauthorized, "token_expired") }},
		{500, func(*http.Request) policy.Verdict { panic("policy") }},
	}
	for order := range permutations(len(answers)) {
		want, asked, denied := 0, 0, false
		h := forbidden(t)
		for i := len(order) - 1; i >= 0; i-- {
			a := answers[order[i]]
			h = up.Use(policy.Func(func(r *http.Request) policy.Verdict {
				if denied {
					t.Errorf("order %v: asked after a denial", order)
				}
				asked++
				denied = a.status != 0
				return a.judge(r)
			}))(h)
			if a.status != 0 {
				want = a.status
			}
		}
		_, res := handshake(t, newServer(t, h), "-Upgrade")
		if res.StatusCode != want || asked == 0 {
			t.Errorf("order %v: got %s, want %d", order, res.Status, want)
		}
	}
}

func permutations(n int) func(yield func([]int) bool) {
	return func(yield func([]int) bool) {
		var extend func(prefix, rest []int) bool
		extend = func(prefix, rest []int) bool {
			if len(rest) == 0 {
				return yield(prefix)
			}
			for i, x := range rest {
				others := append(append([]int(nil), rest[:i]...), rest[i+1:]...)
				if !extend(append(prefix[:len(prefix):len(prefix)], x), others) {
					return false
				}
			}
			return true
		}
		all := make([]int, n)
		for i := range all {
			all[i] = i
		}
		extend(nil, all)
	}
}

func TestPanicsDeny(t *testing.T) {
	for name, tc := range map[string]struct {
		panic func()
		is    error // what the cause wraps
	}{
		"text":         {func() { panic("boom") }, nil},
		"nil":          {func() { panic(nil) }, new(runtime.PanicNilError)},
		"error":        {func() { panic(io.ErrUnexpectedEOF) }, io.ErrUnexpectedEOF},
		"ErrAbort":     {func() { panic(http.ErrAbortHandler) }, http.ErrAbortHandler},
		"runtime":      {func() { none := []int{}; none[len(none)]++ }, nil},
		"a verdict":    {func() { panic(policy.Allow()) }, nil},
		"nil function": {func() { var f func(); f() }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			events := newRecorder()
			up := &upgrade.Upgrader{Observer: events}
			judged := policy.Func(func(*http.Request) policy.Verdict { tc.panic(); return policy.Allow() })
			endpoint := up.Handler(func(*http.Request) (upgrade.Session, error) { tc.panic(); return idle, nil })
			for _, h := range []http.Handler{up.Use(judged)(forbidden(t)), up.Use(policy.Any(judged))(forbidden(t)), endpoint} {
				addr := newServer(t, h)
				c, res := handshake(t, addr)
				wantStatus(t, res, 101)
				c.wantClose(4500, "internal_error;do=backoff")
				c.bye()
				e := events.Next(t)
				var p *upgrade.PanicError
				if !errors.As(e.Verdict.Cause(), &p) || len(p.Stack) == 0 || !strings.Contains(string(p.Stack), "denial_test.go") {
					t.Fatalf("the cause is %v", e.Verdict.Cause())
				}
				if _, isNil := tc.is.(*runtime.PanicNilError); isNil {
					if !errors.As(p, new(*runtime.PanicNilError)) {
						t.Errorf("got value %v", p.Value)
					}
				} else if tc.is != nil && !errors.Is(p, tc.is) {
					t.Errorf("got value %v", p.Value)
				}
			}
			_, res := handshake(t, newServer(t, up.Use(judged)(forbidden(t))), "-Upgrade")
			wantStatus(t, res, 500)
		})
	}
}

// The recover stands around the policy alone: what a handler further down panics with is net/http's
// affair.
func TestHandlersPanicPasses(t *testing.T) {
	up := &upgrade.Upgrader{}
	seen := make(chan any, 1)
	outer := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer func() { seen <- recover() }()
			next.ServeHTTP(w, r)
		})
	}
	inner := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("handler") })
	dial(t, newServer(t, wrap(inner, outer, up.Use(always(policy.Allow()))))).send(request("-Upgrade"))
	if x := receive(t, seen); x != "handler" {
		t.Errorf("got %v", x)
	}
}

type key struct{}

// What an allow brings is there for everybody behind it, through strangers too; what a shadow
// brings is not.
func TestBroughtValues(t *testing.T) {
	up := &upgrade.Upgrader{}
	bring := func(v string) policy.Policy { return always(policy.Allow().WithValue(key{}, v)) }
	got := make(chan any, 1)
	end := up.Handler(func(r *http.Request) (upgrade.Session, error) {
		got <- r.Context().Value(key{})
		return func(ctx context.Context, _ *upgrade.Conn) error {
			if ctx.Value(key{}) != nil {
				t.Error("the session's context has the request's values")
			}
			return nil
		}, nil
	})
	for name, tc := range map[string]struct {
		h    http.Handler
		want any
	}{
		"neighbour": {wrap(end, up.Use(bring("a"))), "a"},
		"stranger":  {wrap(end, up.Use(bring("a")), foreign), "a"},
		"the last":  {wrap(end, up.Use(bring("a")), up.Use(bring("b"))), "b"},
		"shadow":    {wrap(end, up.Shadow(bring("a"))), nil},
	} {
		c, res := handshake(t, newServer(t, tc.h))
		wantStatus(t, res, 101)
		c.wantClose(1000, "")
		c.bye()
		if v := receive(t, got); v != tc.want {
			t.Errorf("%s: got %v, want %v", name, v, tc.want)
		}
	}
}

// Behind a refused upgrade nothing is served: a proxy that took the status for a tunnel would let a client
// smuggle requests through it.
func TestNothingIsServedBehindARefusedUpgrade(t *testing.T) {
	up := &upgrade.Upgrader{}
	hidden := policy.Reject(codes.Forbidden, "no")
	mux := http.NewServeMux()
	mux.Handle("/link", up.Use(always(hidden))(forbidden(t)))
	mux.Handle("/ordinary", up.Use(always(expired))(forbidden(t)))
	mux.Handle("/endpoint", up.Handler(func(*http.Request) (upgrade.Session, error) { return nil, hidden }))
	mux.HandleFunc("/deny", func(w http.ResponseWriter, r *http.Request) { up.Deny(w, r, hidden) })
	mux.Handle("/internal", forbidden(t))
	addr := newServer(t, mux)
	for _, path := range []string{"/link", "/ordinary", "/endpoint", "/deny"} {
		for _, change := range []string{"Origin: https://evil.test", "-Connection", "Connection: keep-alive", "Upgrade: h2c", "Upgrade: ",
			"Sec-WebSocket-Version: 7", "-Sec-WebSocket-Key", "+Content-Length: 3", "HEAD " + path + " HTTP/1.1", "POST " + path + " HTTP/1.1"} {
			c := dial(t, addr)
			c.send(request("GET "+path+" HTTP/1.1", change) + "GET /internal HTTP/1.1\r\nHost: x\r\n\r\n")
			res := c.response()
			if res.StatusCode == http.StatusSwitchingProtocols {
				t.Fatalf("%s, %s: upgraded", path, change)
			}
			if !res.Close {
				t.Errorf("%s, %s: %s keeps the connection", path, change, res.Status)
			}
			if rest, err := io.ReadAll(c); strings.Contains(string(rest), "HTTP/1.1") || err != nil && !isGone(err) {
				t.Errorf("%s, %s: behind %s came %q, %v", path, change, res.Status, rest, err)
			}
		}
	}
}
