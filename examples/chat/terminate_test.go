package main

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"

	coder "github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"
	"github.com/lxzan/gws"
)

// A dialer connects, and returns what waits for the end and tells its code and reason.
type dialer func(ctx context.Context, url string, offer []string) (end func() (code int, reason string, err error), err error)

// TestTerminate sends SIGTERM while fifty clients of three libraries are there.
func TestTerminate(t *testing.T) {
	s := start(t)
	ctx, cancel := context.WithTimeout(t.Context(), testTime)
	defer cancel()
	dialers := []dialer{dialGorilla, dialCoder, dialGWS}
	var wg sync.WaitGroup
	defer wg.Wait()
	for i := range 50 {
		user := "user" + strings.Repeat("x", i/3) // a user has three seats
		end, err := dialers[i%3](ctx, "ws://"+s.addr+"/rooms/lobby", []string{"chat.v1", "bearer", s.login(t, user)})
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			code, reason, err := end()
			if code != 4503 || !strings.HasPrefix(reason, "restart;do=reconnect;after=") {
				t.Errorf("client %d: %d %q (%v), want 4503 and when to come back", i, code, reason, err)
			}
		})
	}
	for s.metric(t, "wsverdict_connections") != "50" {
	}
	if log, err := s.end(t, syscall.SIGTERM); err != nil {
		t.Errorf("%v, want exit code 0; it wrote\n%s", err, log)
	}
}

func dialGorilla(ctx context.Context, url string, offer []string) (func() (int, string, error), error) {
	c, _, err := (&gorilla.Dialer{Subprotocols: offer}).DialContext(ctx, url, nil)
	if err != nil {
		return nil, err
	}
	return func() (int, string, error) {
		defer c.Close()
		_, _, err := c.ReadMessage()
		var closed *gorilla.CloseError
		if !errors.As(err, &closed) {
			return 1006, "", err
		}
		return closed.Code, closed.Text, nil
	}, nil
}

func dialCoder(ctx context.Context, url string, offer []string) (func() (int, string, error), error) {
	c, _, err := coder.Dial(ctx, url, &coder.DialOptions{Subprotocols: offer})
	if err != nil {
		return nil, err
	}
	return func() (int, string, error) {
		defer c.CloseNow()
		_, _, err := c.Read(ctx)
		var closed coder.CloseError
		if !errors.As(err, &closed) {
			return 1006, "", err
		}
		return int(closed.Code), closed.Reason, nil
	}, nil
}

type gwsEnd struct {
	gws.BuiltinEventHandler
	err error
}

func (e *gwsEnd) OnClose(_ *gws.Conn, err error) { e.err = err }

func dialGWS(_ context.Context, url string, offer []string) (func() (int, string, error), error) {
	end := &gwsEnd{}
	c, _, err := gws.NewClient(end, &gws.ClientOption{Addr: url, RequestHeader: http.Header{"Sec-Websocket-Protocol": {strings.Join(offer, ", ")}}})
	if err != nil {
		return nil, err
	}
	return func() (int, string, error) {
		c.ReadLoop()
		var closed *gws.CloseError
		if !errors.As(end.err, &closed) {
			return 1006, "", end.err
		}
		return int(closed.Code), string(closed.Reason), nil
	}, nil
}
