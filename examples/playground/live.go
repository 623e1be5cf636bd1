package main

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/middleware"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

const (
	window   = time.Second      // over which many would be sent away
	downtime = 30 * time.Second // of a maintenance
)

var shortLife = 2 * time.Second // of a token

// live mounts what ends connections that are open: each ends those of one run, and of nobody else.
func (p *playground) live(r chi.Router) {
	r.Use(http.NewCrossOriginProtection().Handler)
	r.Post("/token", func(w http.ResponseWriter, r *http.Request) {
		life := shortLife
		if r.URL.Query().Has("long") {
			life = time.Hour
		}
		token, err := p.tokens.short(life)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_, _ = w.Write([]byte(token))
	})
	r.Post("/ban", func(_ http.ResponseWriter, r *http.Request) {
		// A server would record it where its policies look, first; this one lets everybody in again.
		p.up.End(banned, 0, policy.Tag{Key: "user", Value: subject}, runOf(r))
	})
	r.Post("/drain", func(_ http.ResponseWriter, r *http.Request) {
		var down middleware.Switch // its own, so that nobody else is refused
		down.Until(time.Now().Add(downtime))
		down.DrainTag(p.up, window, runOf(r))
	})
	r.Post("/client/{how}", p.endClient)
	r.Post("/shutdown", func(w http.ResponseWriter, _ *http.Request) {
		if err := p.second.restart(); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
}

// endClient ends the connection of the page's own client, for it to do what the code says.
func (p *playground) endClient(w http.ResponseWriter, r *http.Request) {
	verdicts := map[string]policy.Verdict{
		"expired":     policy.Close(codes.Unauthorized, "token_expired"),
		"maintenance": policy.Close(codes.ServiceUnavailable, "maintenance").WithAfter(3 * time.Second),
		"restart":     policy.Close(codes.ServiceUnavailable, "restart").WithAction(codes.Reconnect),
		"banned":      banned,
	}
	v, ok := verdicts[chi.URLParam(r, "how")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	p.second.now.Load().up.End(v, 0, runOf(r))
}

var banned = policy.Close(codes.Forbidden, "banned")

// tagRun is a policy that allows, and tags: the user is the same in all runs.
func tagRun(r *http.Request) policy.Verdict {
	return policy.Allow().WithTag("run", r.URL.Query().Get("run"))
}

// runOf is the tag of the connection that a request is about.
func runOf(r *http.Request) policy.Tag { return policy.Tag{Key: "run", Value: r.URL.Query().Get("of")} }

// shutdown closes what is live, here and in the second server, and waits for it.
func (p *playground) shutdown(ctx context.Context) error {
	second := make(chan error, 1)
	go func() { second <- p.second.now.Load().up.Shutdown(ctx) }()
	return errors.Join(p.up.Shutdown(ctx), <-second)
}

// newUpgrader returns an Upgrader whose verdicts the pages are told.
func newUpgrader(reports *hub) *upgrade.Upgrader {
	return &upgrade.Upgrader{
		Subprotocols: []string{"echo.v1", "bearer"},
		Observer:     upgrade.ObserverFunc(reports.observe),
	}
}
