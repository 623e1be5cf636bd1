package upgrade_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"
	chimiddleware "github.com/go-chi/chi/v5/middleware"

	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

type valueKey string

// contextual keeps events with their contexts' values.
type contextual chan upgrade.Event

func (c contextual) Observe(e upgrade.Event) { e.Request = nil; c <- e }

// requestID is what a recipe shows: chi's request id reaches the session, its events and its log lines.
func requestID(ctx context.Context, r *http.Request) context.Context {
	return context.WithValue(ctx, chimiddleware.RequestIDKey, chimiddleware.GetReqID(r.Context()))
}

// A handler adds the request id to what is logged.
type idHandler struct{ slog.Handler }

func (h idHandler) Handle(ctx context.Context, r slog.Record) error {
	r.AddAttrs(slog.String("request", chimiddleware.GetReqID(ctx)))
	return h.Handler.Handle(ctx, r)
}

func TestSessionContextCarriesARequestID(t *testing.T) {
	seen := make(contextual, 10)
	var log bytes.Buffer
	up := &upgrade.Upgrader{SessionContext: requestID,
		Observer: upgrade.Observers{upgrade.LogObserver(slog.New(idHandler{slog.NewTextHandler(&log, nil)})), seen}}
	ids := make(chan string, 1)
	r := chi.NewRouter()
	r.Use(chimiddleware.RequestID)
	r.With(up.Use(always(policy.Allow()))).Handle("/ws", up.Handler(run(func(ctx context.Context, c *upgrade.Conn) error {
		ids <- chimiddleware.GetReqID(ctx)
		return listen(ctx, c)
	})))
	c := connect(t, newServer(t, r), "+X-Request-Id: abc")
	c.leave(1000)
	if id := receive(t, ids); id != "abc" {
		t.Errorf("the session's context has %q", id)
	}
	for _, kind := range []upgrade.Kind{upgrade.Settled, upgrade.Started, upgrade.Ended} {
		e := receive(t, seen)
		if e.Kind != kind || chimiddleware.GetReqID(e.Context) != "abc" {
			t.Errorf("%v has %q, want %v", e.Kind, chimiddleware.GetReqID(e.Context), kind)
		}
		if kind != upgrade.Settled && e.Context.Err() != nil {
			t.Errorf("%v: its context is cancelled", kind)
		}
		if kind == upgrade.Settled && (e.SessionContext == nil || chimiddleware.GetReqID(e.SessionContext) != "abc") {
			t.Errorf("%v: its session's context is %v", kind, e.SessionContext)
		}
	}
	if n := strings.Count(log.String(), "request=abc"); n != 3 {
		t.Errorf("%d lines have the id:\n%s", n, log.String())
	}
}

// What it returns counts by its values alone: neither its end nor the request that it was derived from arrives.
func TestSessionContextIsValuesAlone(t *testing.T) {
	up := &upgrade.Upgrader{SessionContext: func(_ context.Context, r *http.Request) context.Context {
		ctx, cancel := context.WithCancel(context.WithValue(r.Context(), valueKey("mine"), "kept"))
		cancel()
		return ctx
	}}
	outer := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), valueKey("request"), "gone")))
		})
	}
	causes := make(chan error, 1)
	c := connect(t, newServer(t, outer(up.Handler(run(func(ctx context.Context, c *upgrade.Conn) error {
		if ctx.Value(valueKey("mine")) != "kept" || ctx.Value(valueKey("request")) != nil || ctx.Err() != nil {
			t.Errorf("got %v, %v, %v", ctx.Value(valueKey("mine")), ctx.Value(valueKey("request")), ctx.Err())
		}
		child, cancel := context.WithCancel(ctx)
		defer cancel()
		up.EndAll(expired, 0)
		<-child.Done()
		causes <- context.Cause(child)
		if child.Value(valueKey("mine")) != "kept" {
			t.Error("a child has no values")
		}
		return nil
	})))))
	c.wantClose(4401, expiredText)
	c.bye()
	if err := receive(t, causes); !strings.Contains(err.Error(), "token_expired") {
		t.Errorf("cause %v", err)
	}
}

// A panic, and no context at all, refuse.
func TestSessionContextFails(t *testing.T) {
	quiet(t)
	for name, f := range map[string]func(context.Context, *http.Request) context.Context{
		"panics": func(context.Context, *http.Request) context.Context { panic("values") },
		"nil":    func(context.Context, *http.Request) context.Context { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			up := &upgrade.Upgrader{SessionContext: f}
			c := connect(t, newServer(t, up.Handler(run(echoAll))))
			c.wantClose(4500, "internal_error;do=backoff")
			c.bye()
			wantEmpty(t, up)
		})
	}
}
