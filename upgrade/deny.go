package upgrade

import (
	"net/http"

	"github.com/wsverdict/wsverdict/policy"
)

// Deny answers a request with a denial, for an ordinary handler that finds out by itself what no
// policy did: its HTTP status and application/problem+json, or the close frame where the request is
// the handshake of a vetted WebSocket. It is settled as a link's denial is: in the same shape,
// reported to the Observer (as "handler", unless v has a name) and counted in [Stats]. Nothing may
// have been written to w before, and nothing is after. It panics if v allows, and is safe for
// concurrent use.
//
//	room, err := rooms.Find(r.PathValue("room"))
//	if err != nil {
//		up.Deny(w, r, policy.Close(codes.NotFound, "no_such_room").WithCause(err))
//		return
//	}
func (u *Upgrader) Deny(w http.ResponseWriter, r *http.Request, v policy.Verdict) {
	if v.Allowed() {
		panic("upgrade: Deny with an allowing verdict")
	}
	c := u.mounted()
	by := v.Policy()
	if by == "" {
		by = "handler"
	}
	c.settle(w, r, pass{}, &denial{verdict: v, policy: by, start: c.now()})
}
