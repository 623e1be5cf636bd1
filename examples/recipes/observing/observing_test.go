// Package observing runs the code of docs/observing.md.
package observing

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	chimiddleware "github.com/go-chi/chi/v5/middleware"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
	"github.com/wsverdict/wsverdict/upgrade/promupgrade"
	"github.com/wsverdict/wsverdict/upgrade/upgradetest"
)

// members lets nobody in.
var members = policy.Named("members", policy.Func(func(*http.Request) policy.Verdict {
	return policy.Close(codes.Forbidden, "not_a_member")
}))

func TestPrometheus(t *testing.T) {
	up := &upgrade.Upgrader{}
	metrics := promupgrade.New(up)
	prometheus.MustRegister(metrics)
	up.Observer = upgrade.Observers{upgrade.LogObserver(slog.Default()), metrics}
	told := upgradetest.NewRecorder()
	up.Observer = upgrade.Observers{up.Observer, told} // the client may have its answer earlier

	browser, _ := upgradetest.Judge(t, up.Use(members)(up.Handler(upgradetest.Run(upgradetest.Echo))), "/ws")
	browser.WantClose(t, 4403, "not_a_member;do=stop")
	for range 2 {
		told.Until(t, upgrade.Settled)
	}
	res, err := http.Get("http://" + upgradetest.Serve(t, promhttp.Handler()))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var text bytes.Buffer
	if _, err := text.ReadFrom(res.Body); err != nil {
		t.Fatal(err)
	}
	const want = `wsverdict_handshakes_total{code="4403",outcome="closed",policy="members",slug="not_a_member",why=""} 1`
	if !strings.Contains(text.String(), want) {
		t.Errorf("no %s in:\n%s", want, &text)
	}
}

type withRequestID struct{ slog.Handler }

func (h withRequestID) Handle(ctx context.Context, rec slog.Record) error {
	if id := chimiddleware.GetReqID(ctx); id != "" {
		rec.AddAttrs(slog.String("request_id", id))
	}
	return h.Handler.Handle(ctx, rec)
}

// The handshake's events have the request's context; with SessionContext those about the session have the id, too.
func TestRequestIDs(t *testing.T) {
	var log bytes.Buffer
	done := upgradetest.NewRecorder()
	up := &upgrade.Upgrader{
		Observer: upgrade.Observers{upgrade.LogObserver(slog.New(withRequestID{slog.NewTextHandler(&log, nil)})), done},
		SessionContext: func(ctx context.Context, r *http.Request) context.Context {
			return context.WithValue(ctx, chimiddleware.RequestIDKey, chimiddleware.GetReqID(r.Context()))
		},
	}
	c := upgradetest.Open(t, chimiddleware.RequestID(up.Handler(upgradetest.Run(upgradetest.Echo))), "/ws", "X-Request-Id", "7")
	c.Leave(1000)
	done.Until(t, upgrade.Ended)
	if n := strings.Count(log.String(), "request_id=7"); n != 3 {
		t.Errorf("%d lines have the id, want that of the admission, the start and the end:\n%s", n, &log)
	}
}
