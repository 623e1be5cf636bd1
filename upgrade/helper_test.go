package upgrade_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/gobwas/ws/wsutil"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
	"github.com/wsverdict/wsverdict/upgrade/upgradetest"
)

// patience ends a test that would hang; nothing that works comes near it.
const patience = upgradetest.Patience

var expired = policy.Close(codes.Unauthorized, "token_expired")

const expiredText = "token_expired;do=refresh"

// always is a policy with one answer.
func always(v policy.Verdict) policy.Policy {
	return policy.Func(func(*http.Request) policy.Verdict { return v })
}

func idle(context.Context, *upgrade.Conn) error { return nil }

func closeExpired(context.Context, *upgrade.Conn) error { return expired }

// echo answers one message.
func echo(_ context.Context, c *upgrade.Conn) error {
	text, op, err := wsutil.ReadClientData(c.NetConn())
	if err != nil {
		return err
	}
	return wsutil.WriteServerMessage(c.NetConn(), op, text)
}

// forbidden is a handler that must not be reached.
func forbidden(t testing.TB) http.Handler {
	return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("%s %s reached the handler", r.Method, r.URL)
	})
}

// Short names for what package upgradetest has.
var (
	newServer   = upgradetest.Serve
	newRecorder = upgradetest.NewRecorder
	run         = upgradetest.Run
	eventually  = upgradetest.Eventually
	wantEmpty   = upgradetest.WantEmpty
)

// wrap serves h behind middlewares, the outermost first.
func wrap(h http.Handler, outer ...func(http.Handler) http.Handler) http.Handler {
	for i := len(outer) - 1; i >= 0; i-- {
		h = outer[i](h)
	}
	return h
}

// foreign is a middleware that is none of ours.
func foreign(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(w, r) })
}

func wantStatus(t testing.TB, res *http.Response, status int) {
	t.Helper()
	if res.StatusCode != status {
		body, _ := io.ReadAll(res.Body)
		t.Fatalf("got %s %s, want %d", res.Status, body, status)
	}
}

// problem is a denial's HTTP form, and nothing else.
type problem = upgradetest.Problem

func problemOf(t testing.TB, res *http.Response) (p problem) {
	t.Helper()
	d := json.NewDecoder(res.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		t.Fatalf("%s: body is no problem document: %v", res.Status, err)
	}
	return p
}

// receive waits for a value.
func receive[T any](t testing.TB, ch <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-ch:
	case <-time.After(patience):
		t.Fatalf("no %T arrived", v)
	}
	return v
}

// panicOf returns what f panics with, as text; a test fails if it does not.
func panicOf(t testing.TB, f func()) (text string) {
	t.Helper()
	defer func() {
		x := recover()
		if x == nil {
			t.Fatal("no panic")
		}
		text = fmt.Sprint(x)
	}()
	f()
	return ""
}
