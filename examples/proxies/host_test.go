package proxies

import (
	"errors"
	"net/http"
	"testing"

	"github.com/gobwas/ws"

	"github.com/wsverdict/wsverdict/upgrade"
)

// TestRewrittenHost: a proxy that hands on a Host of its own makes every page a foreign one to the same-origin default, and the
// Observer can tell. An Origin link with a list does not care.
func TestRewrittenHost(t *testing.T) {
	through(t, func(t *testing.T, p *proxy) {
		s := newServer(t, &upgrade.Upgrader{})
		site := p.run(t, s, p.rewrite)
		for path, want := range map[string]struct {
			status int
			slug   string
		}{
			"/ws/echo":    {http.StatusForbidden, "origin_not_allowed"},
			"/ws/refused": {http.StatusUnauthorized, "token_expired"}, // and no close frame: that is for pages that were vetted
		} {
			_, err := dial(t, site, path, "")
			if status := ws.StatusError(0); !errors.As(err, &status) || int(status) != want.status {
				t.Errorf("%s: %v, want status %d", path, err, want.status)
			}
			e := s.at(t, path, 1)[0]
			if e.Outcome != upgrade.Answered || e.Verdict.Slug() != want.slug || e.host != s.address {
				t.Errorf("%s: observed %v %q with Host %q; want answered %q with Host %q",
					path, e.Outcome, e.Verdict.Slug(), e.host, want.slug, s.address)
			}
		}
		c := mustDial(t, site, "/ws/listed", listed)
		c.send(ws.OpText, []byte("leave"))
		c.closes(wantCode, wantReason)
	})
}
