package upgrade_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

// Without a router of its own: a link is a func(http.Handler) http.Handler, an endpoint an http.Handler.
func Example() {
	up := &upgrade.Upgrader{}
	open := up.Use(policy.Func(func(r *http.Request) policy.Verdict {
		if r.PathValue("room") != "lobby" {
			return policy.Close(codes.NotFound, "no_such_room")
		}
		return policy.Allow()
	}))
	greet := up.Handler(func(r *http.Request) (upgrade.Session, error) {
		room := r.PathValue("room") // the request is here; it is gone in the session
		return func(_ context.Context, c *upgrade.Conn) error {
			return wsutil.WriteServerText(c.NetConn(), []byte("welcome to the "+room))
		}, nil
	})
	mux := http.NewServeMux()
	mux.Handle("GET /ws/{room}", open(greet))

	srv, stop := startExample(mux)
	defer stop()
	fmt.Println(browse(srv, "/ws/lobby", srv.URL))
	fmt.Println(browse(srv, "/ws/cellar", srv.URL))
	fmt.Println(browse(srv, "/ws/cellar", "https://elsewhere.example"))
	// Output:
	// "welcome to the lobby", closed: 1000
	// closed: 4404 no_such_room;do=stop
	// refused: HTTP 404
}

// One verdict has two forms: a close frame for a WebSocket, a problem document for everything else.
func ExampleUpgrader_Use() {
	up := &upgrade.Upgrader{}
	trial := policy.Func(func(*http.Request) policy.Verdict {
		return policy.Close(4100, "trial_over").WithStatus(http.StatusPaymentRequired).WithDetail("The trial month is over.")
	})
	srv, stop := startExample(up.Use(trial)(http.NotFoundHandler()))
	defer stop()

	fmt.Println(browse(srv, "/", srv.URL))
	resp, err := srv.Client().Get(srv.URL)
	if err != nil {
		panic(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	fmt.Println(resp.StatusCode, resp.Header.Get("Content-Type"))
	fmt.Printf("%s", body)
	// Output:
	// closed: 4100 trial_over;do=stop
	// 402 application/problem+json
	// {"status":402,"title":"Payment Required","detail":"The trial month is over.","code":4100,"slug":"trial_over","action":"stop"}
}

// The endpoint's function refuses with an error, the session closes with one: a Verdict as itself, anything else as a
// failure that tells the client nothing.
func ExampleUpgrader_Handler() {
	full := policy.Close(codes.Conflict, "table_full").WithAction(codes.Backoff)
	up := &upgrade.Upgrader{}
	mux := http.NewServeMux()
	mux.Handle("/full", up.Handler(func(*http.Request) (upgrade.Session, error) {
		return nil, fmt.Errorf("seating: %w", full)
	}))
	mux.Handle("/broken", up.Handler(func(*http.Request) (upgrade.Session, error) {
		return nil, errors.New("dial tcp 10.0.0.7:5432: refused")
	}))
	mux.Handle("/kicked", up.Handler(func(*http.Request) (upgrade.Session, error) {
		return func(context.Context, *upgrade.Conn) error { return policy.Close(codes.Forbidden, "kicked") }, nil
	}))
	mux.Handle("/done", up.Handler(func(*http.Request) (upgrade.Session, error) {
		return func(context.Context, *upgrade.Conn) error { return nil }, nil
	}))

	srv, stop := startExample(mux)
	defer stop()
	for _, path := range []string{"/full", "/broken", "/kicked", "/done"} {
		fmt.Println(path, browse(srv, path, srv.URL))
	}
	// Output:
	// /full closed: 4409 table_full;do=backoff
	// /broken closed: 4500 internal_error;do=backoff
	// /kicked closed: 4403 kicked;do=stop
	// /done closed: 1000
}

// Counting by code and outcome. An access log cannot: there a refusal by close frame looks like any other upgrade.
func ExampleObserver() {
	var mu sync.Mutex
	counts := map[string]int{}
	up := &upgrade.Upgrader{Observer: upgrade.ObserverFunc(func(e upgrade.Event) {
		if e.Kind != upgrade.Settled {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		counts[fmt.Sprintf("%d %s %s", e.Verdict.Code(), e.Outcome, e.Why)]++
	})}
	members := up.Use(policy.Named("members", policy.Func(func(*http.Request) policy.Verdict {
		return policy.Close(codes.Forbidden, "not_a_member")
	})))
	endpoint := up.Handler(func(*http.Request) (upgrade.Session, error) {
		return func(context.Context, *upgrade.Conn) error { return nil }, nil
	})
	mux := http.NewServeMux()
	mux.Handle("/", endpoint)
	mux.Handle("/members", members(endpoint))

	srv, stop := startExample(mux)
	browse(srv, "/", srv.URL)
	browse(srv, "/members", srv.URL)
	browse(srv, "/members", srv.URL)
	browse(srv, "/members", "https://elsewhere.example")
	stop()

	mu.Lock()
	defer mu.Unlock()
	for _, label := range []string{"0 admitted ", "4403 closed ", "4403 answered origin"} {
		fmt.Printf("%-21s %d\n", label, counts[label])
	}
	// Output:
	// 0 admitted            1
	// 4403 closed           2
	// 4403 answered origin  1
}

// A policy on trial is judged and reported; nobody is refused by it.
func ExampleUpgrader_Shadow() {
	would := make(chan policy.Verdict, 1)
	up := &upgrade.Upgrader{Observer: upgrade.ObserverFunc(func(e upgrade.Event) {
		if e.Kind == upgrade.Shadowed {
			would <- e.Verdict
		}
	})}
	officeHours := policy.Func(func(*http.Request) policy.Verdict {
		return policy.Close(codes.Forbidden, "office_closed").WithAfter(8 * time.Hour)
	})
	endpoint := up.Handler(func(*http.Request) (upgrade.Session, error) {
		return func(context.Context, *upgrade.Conn) error { return nil }, nil
	})
	srv, stop := startExample(up.Shadow(officeHours)(endpoint))
	defer stop()

	fmt.Println(browse(srv, "/", srv.URL))
	fmt.Println("would have been:", (<-would).Reason())
	// Output:
	// closed: 1000
	// would have been: office_closed;do=stop;after=28800
}

// The wrong use: an Origin link behind another. It does not wait for a request to say so.
func ExampleUpgrader_Origin_wrong() {
	defer func() { fmt.Println(recover()) }()

	up := &upgrade.Upgrader{}
	origin := up.Origin(upgrade.OriginCheck{SameOrigin: true})
	members := up.Use(policy.Func(func(*http.Request) policy.Verdict { return policy.Allow() }))

	members(origin(http.NotFoundHandler())) // right: origin(members(…))
	// Output:
	// upgrade: order:
	// 	an Origin link stands directly behind another link: mount Origin first, then maintenance, rate limit by IP, authentication and your own policies; patterns of two Origin links belong into one
}

// startExample serves h until stop is called, which waits for every handler to return.
func startExample(h http.Handler) (srv *httptest.Server, stop func()) {
	var handlers sync.WaitGroup
	srv = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handlers.Add(1)
		defer handlers.Done()
		h.ServeHTTP(w, r)
	}))
	return srv, func() {
		srv.Close()
		handlers.Wait()
	}
}

// browse opens a WebSocket as a page of origin does, and tells what came back. A script learns nothing of a refused handshake.
func browse(srv *httptest.Server, path, origin string) string {
	d := ws.Dialer{Timeout: 10 * time.Second, Header: ws.HandshakeHeaderHTTP{"Origin": {origin}}}
	conn, early, _, err := d.Dial(context.Background(), "ws"+strings.TrimPrefix(srv.URL, "http")+path)
	var status ws.StatusError
	switch {
	case errors.As(err, &status):
		return fmt.Sprint("refused: HTTP ", int(status))
	case err != nil:
		return err.Error()
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	both := struct {
		io.Reader
		io.Writer
	}{conn, conn}
	if early != nil { // frames that came with the 101
		both.Reader = early
	}
	var said string
	for {
		text, err := wsutil.ReadServerText(both)
		var closed wsutil.ClosedError
		switch {
		case errors.As(err, &closed): // and answered, by wsutil
			return said + strings.TrimSpace(fmt.Sprintf("closed: %d %s", closed.Code, closed.Reason))
		case err != nil:
			return said + err.Error()
		}
		said += fmt.Sprintf("%q, ", text)
	}
}
