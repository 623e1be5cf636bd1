package upgrade_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

// The request is on loan: what is kept of it is empty, so that a mistake shows in the first test.
func TestRequestIsEmptied(t *testing.T) {
	type mine struct{}
	type kept struct {
		request *http.Request
		ctx     context.Context
		derived context.Context
	}
	got := make(chan kept, 1)
	up := &upgrade.Upgrader{}
	h := up.Handler(func(r *http.Request) (upgrade.Session, error) {
		if r.PathValue("room") != "blue" || r.Context().Value(key{}) != "value" || r.Header.Get("X-A") != "1" {
			t.Errorf("function 1 lacks something of the request: %q, %v", r.PathValue("room"), r.Header)
		}
		k := kept{r, r.Context(), context.WithValue(r.Context(), mine{}, 1)}
		return func(context.Context, *upgrade.Conn) error { got <- k; return nil }, nil
	})
	mux := http.NewServeMux()
	mux.Handle("GET /rooms/{room}", up.Use(always(policy.Allow().WithValue(key{}, "value")))(h))
	outer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mux.ServeHTTP(w, r)
		if r.URL == nil || r.Header.Get("X-A") != "1" || r.PathValue("room") != "blue" {
			t.Error("the outer handler's request was emptied")
		}
	})
	c, res := handshake(t, newServer(t, outer), "GET /rooms/blue HTTP/1.1", "+X-A: 1")
	wantStatus(t, res, 101)
	c.wantClose(1000, "")
	c.bye()
	k := receive(t, got)
	if r := k.request; r.URL != nil || r.Header != nil || r.PathValue("room") != "" || r.Context() != context.Background() {
		t.Errorf("the request was kept: %+v", r)
	}
	for name, ctx := range map[string]context.Context{"context": k.ctx, "derived context": k.derived} {
		if v := ctx.Value(key{}); v != nil {
			t.Errorf("the %s has %v", name, v)
		}
		if ctx.Value(http.ServerContextKey) != nil {
			t.Errorf("the %s has the server", name)
		}
	}
}

func TestEndpointRefuses(t *testing.T) {
	for _, tc := range []struct {
		name   string
		err    error
		status int
		code   uint16 // of the close frame, 0 for a status
		slug   string
	}{
		{"verdict", expired, 401, 4401, "token_expired"},
		{"wrapped verdict", fmt.Errorf("room: %w", expired), 401, 4401, "token_expired"},
		{"hidden verdict", expired.Hide(), 401, 0, "token_expired"},
		{"wrapped and hidden", fmt.Errorf("room: %w", expired.Hide()), 401, 0, "token_expired"},
		{"zero verdict", policy.Verdict{}, 500, 4500, "undecided"},
		{"other error", errSecret, 500, 4500, "internal_error"},
		{"allow as an error", policy.Allow(), 500, 4500, "internal_error"},
		{"neither", nil, 500, 4500, "internal_error"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, budget := range []int{1, -1} {
				events := newRecorder()
				up := &upgrade.Upgrader{MaxLingering: budget, Observer: events}
				c, res := handshake(t, newServer(t, up.Handler(func(*http.Request) (upgrade.Session, error) { return nil, tc.err })))
				e := events.Next(t)
				if e.Policy != "endpoint" || e.Verdict.Slug() != tc.slug || e.Verdict.Status() != tc.status {
					t.Errorf("got %+v", e)
				}
				if errors.Is(tc.err, errSecret) && !errors.Is(e.Verdict, errSecret) {
					t.Errorf("the cause is %v", e.Verdict.Cause())
				}
				if tc.code != 0 && budget > 0 {
					wantStatus(t, res, 101)
					c.wantClose(tc.code, tc.slug+";do="+codes.Code(tc.code).Action().String())
					c.bye()
					continue
				}
				wantStatus(t, res, tc.status)
				if p := problemOf(t, res); p.Slug != tc.slug {
					t.Errorf("got %+v", p)
				}
			}
		})
	}
}

// A session beside an error does not run.
func TestErrorBeatsSession(t *testing.T) {
	up := &upgrade.Upgrader{}
	c, res := handshake(t, newServer(t, up.Handler(func(*http.Request) (upgrade.Session, error) {
		return func(context.Context, *upgrade.Conn) error { t.Error("the session ran"); return nil }, expired
	})))
	wantStatus(t, res, 101)
	c.wantClose(4401, expiredText)
	c.bye()
}
