// Package keep shows that WebSocket handlers of other libraries work behind a chain of this one: whoever is admitted is theirs,
// as if there were no chain, and whoever is refused never reaches them and is told why.
package keep

import (
	"net/http"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/gobwas/ws"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/middleware"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

const (
	pageOrigin  = "https://app.example.com" // not the server's own: that is what an Origin link is for
	otherOrigin = "https://evil.example.net"
	goodToken   = "good"
	user        = "alice"
)

// A library is one whose handler stands at the end of the chain.
type library struct {
	name        string
	subprotocol string
	// handler leaves the Origin to the link; strict checks it as the library does by default.
	handler, strict func(t *testing.T) http.Handler
	// checks says whether that default refuses pages of another host.
	checks bool
	// headers says whether what outer middlewares set on w is in its 101.
	headers bool

	upgrader func() *upgrade.Upgrader // that knows its subprotocols, so that a refusal echoes the one that an admission does
	code     int                      // of a refusal, in the Upgrader's profile

	// speak sends something in the library's protocol, and fails unless the user is in the answer.
	speak func(t *testing.T, c *client)
}

var all = []library{gorillaLibrary, coderLibrary, gwsLibrary, melodyLibrary, centrifugeLibrary, gqlgenLibrary}

// each runs f for every library, with a server of its own.
func each(t *testing.T, f func(t *testing.T, l *library)) {
	t.Helper()
	for i := range all {
		t.Run(all[i].name, func(t *testing.T) { f(t, &all[i]) })
	}
}

func (l *library) newUpgrader() *upgrade.Upgrader {
	up := l.upgrader()
	up.LingerTimeout = testTime
	return up
}

func chatUpgrader() *upgrade.Upgrader {
	up := &upgrade.Upgrader{Subprotocols: []string{"chat.v1", "bearer"}} // what your library speaks, and the token's marker
	return up
}

var (
	perAddress = middleware.RateLimitConfig{Rate: middleware.PerMinute(1000)}
	users      = policy.Func(member)
)

// behind is a handler at the end of the guide's chain.
func behind(up *upgrade.Upgrader, yourHandler http.Handler) http.Handler {
	r := chi.NewRouter()
	ws := middleware.For(up)

	r.With(
		ws.Origin("https://app.example.com"), // not optional here: see below
		ws.RateLimit(perAddress),
		ws.Use(users),
	).Handle("/", yourHandler)
	return r
}

// member admits whoever has the token, which a page sends as a subprotocol behind its marker.
func member(r *http.Request) policy.Verdict {
	token, ok := middleware.Subprotocol("bearer").ExtractToken(r)
	switch {
	case ok != nil:
		return policy.Close(codes.Unauthorized, "token_missing")
	case token != goodToken:
		return policy.Close(codes.Unauthorized, "token_expired").WithAction(codes.Refresh)
	}
	return policy.Allow().WithValue(userKey{}, user)
}

type userKey struct{}

// userOf is what the links brought, for a handler that has the request.
func userOf(r *http.Request) string {
	name, _ := r.Context().Value(userKey{}).(string)
	return name
}

// TestAdmission: the handler gets the client, with what the links brought, and the handshake is its own.
func TestAdmission(t *testing.T) {
	each(t, func(t *testing.T, l *library) {
		up := l.newUpgrader()
		s := serve(t, behind(up, l.handler(t)))
		c := s.mustDial(t, pageOrigin, l.subprotocol, "bearer", goodToken)
		if c.subprotocol != l.subprotocol {
			t.Errorf("subprotocol %q, want %q", c.subprotocol, l.subprotocol)
		}
		l.speak(t, c)
	})
}

// TestRefusal: a close frame arrives, in the subprotocol that the client offered, and with 64 KB on their way to nobody.
func TestRefusal(t *testing.T) {
	each(t, func(t *testing.T, l *library) {
		up := l.newUpgrader()
		s := serve(t, behind(up, never(t)))
		c := s.mustDial(t, pageOrigin, l.subprotocol, "bearer", "old")
		if c.subprotocol != l.subprotocol {
			t.Errorf("subprotocol %q, want %q", c.subprotocol, l.subprotocol)
		}
		c.send(ws.OpText, make([]byte, 64<<10))
		c.closes(l.code, "token_expired;do=refresh")
	})
}

// TestForeignOrigin: a page of another site gets a status from the Origin link, before the handler and whoever its user is.
func TestForeignOrigin(t *testing.T) {
	each(t, func(t *testing.T, l *library) {
		up := l.newUpgrader()
		s := serve(t, behind(up, never(t)))
		s.refuses(t, otherOrigin, l.subprotocol)
	})
}

// TestTheirOriginCheck: the library's own check refuses a page that the Origin link lets pass, where it has one; and lets any site's
// pages in where it has none and no Origin link stands in front of it.
func TestTheirOriginCheck(t *testing.T) {
	each(t, func(t *testing.T, l *library) {
		up := l.newUpgrader()
		if l.checks {
			s := serve(t, behind(up, l.strict(t)))
			s.refuses(t, pageOrigin, l.subprotocol)
			return
		}
		s := serve(t, up.Use(users)(l.strict(t)))
		l.speak(t, s.mustDial(t, otherOrigin, l.subprotocol, "bearer", goodToken))
	})
}

// never is a handler that nobody gets to.
func never(t *testing.T) http.Handler {
	return http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a refused client reached the handler") })
}
