package keep

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/middleware"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

// TestWhatTheyDoNotGet: what needs the Upgrader's own endpoint does not happen. It fails when that changes: then docs/keep.md does too.
func TestWhatTheyDoNotGet(t *testing.T) {
	each(t, func(t *testing.T, l *library) {
		tag := policy.Tag{Key: "user", Value: user}
		expired := policy.Func(func(*http.Request) policy.Verdict {
			return policy.Allow().WithTag(tag.Key, tag.Value).WithExpiry(policy.Expiry{At: time.Now().Add(-time.Hour), Owner: &tag, Subject: user})
		})
		up := l.newUpgrader()
		var events atomic.Int32
		up.Observer = upgrade.ObserverFunc(func(upgrade.Event) { events.Add(1) })
		links := middleware.For(up)
		s := serve(t, links.Origin(pageOrigin)(
			links.Seats(middleware.SeatsConfig{Max: 1, Key: middleware.ByIP})(
				links.Use(policy.Func(member))(links.Use(expired)(l.handler(t))))))

		first := s.mustDial(t, pageOrigin, l.subprotocol, "bearer", goodToken)
		second := s.mustDial(t, pageOrigin, l.subprotocol, "bearer", goodToken) // a seat is taken by the endpoint
		if n := up.End(policy.Close(codes.Forbidden, "banned"), 0, tag); n != 0 {
			t.Errorf("End found %d connections", n)
		}
		l.speak(t, first)
		l.speak(t, second)
		if stats := up.Stats(); stats.Live != 0 || stats.Seats != 0 || len(stats.Settled) != 0 || events.Load() != 0 {
			t.Errorf("%+v and %d events: the Upgrader knows of them", stats, events.Load())
		}
	})
}

// TestHeaders: what outer middlewares set on w is in the 101 of a refusal, and in that of some libraries.
func TestHeaders(t *testing.T) {
	each(t, func(t *testing.T, l *library) {
		up := l.newUpgrader()
		next := behind(up, l.handler(t))
		s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Request-Id", "7")
			next.ServeHTTP(w, r)
		}))
		if got := s.mustDial(t, pageOrigin, l.subprotocol, "bearer", "old").requestID; got != "7" {
			t.Errorf("a refusal has %q, want %q", got, "7")
		}
		if got := s.mustDial(t, pageOrigin, l.subprotocol, "bearer", goodToken).requestID; (got == "7") != l.headers {
			t.Errorf("an admission has %q, want it there: %v", got, l.headers)
		}
	})
}
