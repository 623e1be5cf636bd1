package upgrade_test

import (
	"bufio"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/wsverdict/wsverdict/upgrade"
)

// Over the budget a denial is its status, and the slot comes back when the client has closed.
func TestBudget(t *testing.T) {
	events := newRecorder()
	up := &upgrade.Upgrader{MaxLingering: 1, LingerTimeout: time.Hour, Observer: events}
	addr := newServer(t, up.Use(always(expired))(forbidden(t)))
	first, res := handshake(t, addr)
	wantStatus(t, res, 101)
	first.wantClose(4401, expiredText)
	events.Next(t)
	for range 3 {
		_, res := handshake(t, addr)
		wantStatus(t, res, 401)
		if e := events.Next(t); e.Why != upgrade.WhyBudget || e.Outcome != upgrade.Answered || e.CloseCode != 0 {
			t.Errorf("got %+v", e)
		}
	}
	first.bye()
	awaitSlot(t, addr).bye()
	gone := awaitSlot(t, addr)
	gone.Close() // without a close frame
	awaitSlot(t, addr).bye()
}

// awaitSlot asks until a denial is a close frame again: the slot is given back behind the end that
// the last client saw.
func awaitSlot(t *testing.T, addr string) *client {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		c, res := handshake(t, addr)
		if res.StatusCode == 101 {
			c.wantClose(4401, expiredText)
			return c
		}
		c.Close()
	}
	t.Fatal("the slot was not given back")
	return nil
}

// A denial that failed on its way gives its slot back.
func TestBudgetAfterFailure(t *testing.T) {
	for name, h := range map[string]hijack{
		"lost":    brokenPipe,
		"refused": func(http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error) { return nil, nil, errBroken },
		"panics":  func(http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error) { panic("hijack") },
	} {
		t.Run(name, func(t *testing.T) {
			var fail atomic.Bool
			fail.Store(true)
			up := &upgrade.Upgrader{MaxLingering: 1}
			deny := up.Use(always(expired))(forbidden(t))
			broken := hijacker(h)(deny)
			served := make(chan struct{}, 10)
			addr := newServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				defer func() { served <- struct{}{} }()
				if fail.Load() {
					broken.ServeHTTP(w, r)
				} else {
					deny.ServeHTTP(w, r)
				}
			}))
			for range 3 {
				dial(t, addr).send(request())
				receive(t, served)
			}
			fail.Store(false)
			c, res := handshake(t, addr)
			wantStatus(t, res, 101)
			c.wantClose(4401, expiredText)
			c.bye()
		})
	}
}

// A client that says nothing has its slot taken away, so that it can't shut others out.
func TestBudgetOfSilentClients(t *testing.T) {
	up := &upgrade.Upgrader{MaxLingering: 2, LingerTimeout: 200 * time.Millisecond}
	addr := newServer(t, up.Use(always(expired))(forbidden(t)))
	for range 5 {
		awaitSlot(t, addr)
	}
	awaitSlot(t, addr).bye()
}

// Sessions that end do not take slots of refused clients.
func TestSessionsHaveNoBudget(t *testing.T) {
	up := &upgrade.Upgrader{MaxLingering: 1, LingerTimeout: time.Hour}
	addr := newServer(t, up.Handler(run(closeExpired)))
	var clients []*client
	for range 3 {
		c, res := handshake(t, addr)
		wantStatus(t, res, 101)
		c.wantClose(4401, expiredText)
		clients = append(clients, c)
	}
	for _, c := range clients {
		c.bye()
	}
}

// A flood of refused clients, silent ones beyond the budget too, takes nothing from who was admitted:
// every message is answered meanwhile.
func TestFloodOfRefusals(t *testing.T) {
	const budget, flood = 3, 100
	up := &upgrade.Upgrader{MaxLingering: budget, LingerTimeout: time.Hour}
	mux := http.NewServeMux()
	mux.Handle("/ws", up.Handler(run(echoAll)))
	mux.Handle("/refused", up.Use(always(expired))(forbidden(t)))
	addr := newServer(t, mux)
	inside, res := handshake(t, addr)
	wantStatus(t, res, 101)
	closed := 0
	for i := range flood {
		c := dial(t, addr)
		c.send(strings.Replace(request(), "/ws", "/refused", 1))
		text := "message " + strconv.Itoa(i)
		inside.send(masked(ws.NewTextFrame([]byte(text))))
		if f := inside.frame(); string(f.Payload) != text {
			t.Fatalf("after %d refusals: got %q", i, f.Payload)
		}
		switch res := c.response(); res.StatusCode {
		case 101:
			closed++
			c.wantClose(4401, expiredText) // and never answers
		case 401:
		default:
			t.Errorf("status %d", res.StatusCode)
		}
	}
	if s := up.Stats(); closed != budget || s.Live != 1 || s.Lingering != budget {
		t.Errorf("%d close frames, %+v", closed, s)
	}
	inside.leave(1000)
}
