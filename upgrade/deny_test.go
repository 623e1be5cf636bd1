package upgrade_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

var noRoom = policy.Close(codes.NotFound, "no_such_room")

// A handler's denial has the shape of a link's: the status for a request, the close frame for a handshake.
func TestDeny(t *testing.T) {
	seen := newRecorder()
	up := &upgrade.Upgrader{Observer: seen}
	denies := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { up.Deny(w, r, noRoom) })
	addr := newServer(t, wrap(denies, up.Use(always(policy.Allow())), foreign))

	_, res := handshake(t, addr, "-Upgrade", "-Connection", "+Connection: close")
	wantStatus(t, res, 404)
	if got := res.Header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("Content-Type %q", got)
	}
	if p := problemOf(t, res); p.Code != 4404 || p.Slug != "no_such_room" {
		t.Errorf("got %+v", p)
	}
	if e := seen.Next(t); e.Policy != "handler" || e.Outcome != upgrade.Answered || e.Status != 404 || e.Verdict.Slug() != "no_such_room" {
		t.Errorf("observed %+v", e)
	}

	c := connect(t, addr)
	c.wantClose(4404, "no_such_room;do=stop")
	c.bye()
	if e := seen.Next(t); e.Outcome != upgrade.Closed || e.CloseCode != 4404 || e.Duration <= 0 {
		t.Errorf("observed %+v", e)
	}

	_, res = handshake(t, addr, "Origin: https://evil.example") // not vetted: nothing is upgraded
	wantStatus(t, res, 404)
	if e := seen.Next(t); e.Why != upgrade.WhyOrigin {
		t.Errorf("observed %+v", e)
	}
	wantEmpty(t, up)
	counts := map[upgrade.Outcome]uint64{}
	for _, row := range up.Stats().Settled {
		if row.Code == 4404 {
			counts[row.Outcome] = row.Count
		}
	}
	if counts[upgrade.Answered] != 2 || counts[upgrade.Closed] != 1 {
		t.Errorf("counted %v", counts)
	}
}

// What an Origin link has let pass counts behind foreign handlers too.
func TestDenyBehindAnOriginLink(t *testing.T) {
	up := &upgrade.Upgrader{}
	denies := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { up.Deny(w, r, noRoom) })
	addr := newServer(t, wrap(denies, up.Origin(only("https://app.example.net")), foreign))
	c := connect(t, addr, "Origin: https://app.example.net")
	c.wantClose(4404, "no_such_room;do=stop")
	c.bye()
}

func TestDenyAllowing(t *testing.T) {
	text := panicOf(t, func() { new(upgrade.Upgrader).Deny(nil, nil, policy.Allow()) })
	if !strings.Contains(text, "Deny") {
		t.Errorf("panic %q", text)
	}
}
