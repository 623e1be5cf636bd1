package middleware

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

var (
	renewsByPost = policy.Reject(4405, "method_not_allowed").WithHeader("Allow", "POST").WithDetail("Connections are renewed by POST.")
	noBrowser    = notRenewable.WithDetail("The token does not say whose browser it is for.")

	errNoBrowser = errors.New("middleware: the token has no subject, or no tag of the browser")
)

// RenewHandler extends live connections by an ordinary request, for pages whose token is in a cookie that
// scripts cannot read: they cannot send the new one over the connection ([JWT.Renew]). It takes the
// token from the policy's own sources, and extends up's connections of that browser alone, as Renew
// does each: those of the same subject that have all of the token's tags with the key browser. Such
// a tag says which sign-in the token belongs to, and stays the same from one token to the next, as
// the sid claim of an OpenID provider:
//
//	Tags: func(c AppClaims) []policy.Tag { return []policy.Tag{{Key: "browser", Value: c.SessionID}} },
//
// It answers a POST with
//
//	{"renewed":2,"expires_in":3600}
//
// and Cache-Control: no-store: how many connections were extended, none is no error, and in how many
// seconds they will be closed, left out where they will not. On denial, settled and observed by up
// as that of a link, it has extended nothing: 405 for another method, what [JWT.Judge] says, 409
// token_not_renewable for a token without a subject or such a tag. A token that was revoked
// meanwhile closes the connections that were found, as with Renew.
//
// Browsers send cookies from any site's pages, with an Origin where the method is POST: mount it behind
// [Chain.Origin], which refuses them. Behind j itself the token is not verified once more.
//
//	r.With(ws.Origin(page), ws.RateLimit(perAddress)).Handle("/renew", users.RenewHandler(up, "browser"))
//
// Connections on other servers are not found. It panics where j's tokens can have no tag with the
// key browser, and for the key of the subject's tag, which is on connections of all browsers.
func (j *JWT[C]) RenewHandler(up *upgrade.Upgrader, browser string) http.Handler {
	var wrong mistakes
	if up == nil {
		wrong.add("the Upgrader is nil")
	}
	switch {
	case browser == "":
		wrong.add("the key of the browser's tag is empty")
	case browser == j.config.Tag:
		wrong.add("%q is the subject's tag, on the connections of all browsers; want one of JWTConfig.Tags", browser)
	case j.config.Tags == nil:
		wrong.add("JWTConfig.Tags is required: it returns the tag %q", browser)
	}
	if err := wrong.err("RenewHandler"); err != nil {
		panic(err)
	}
	return up.Use(renewal[C]{j, up, browser})(http.HandlerFunc(writeRenewed))
}

// A renewal is the policy whose allow brings what was renewed.
type renewal[C any] struct {
	users   *JWT[C]
	up      *upgrade.Upgrader
	browser string
}

func (p renewal[C]) Name() string { return "jwt_renewal" }

func (p renewal[C]) Judge(r *http.Request) policy.Verdict {
	if r.Method != http.MethodPost {
		return renewsByPost
	}
	key := claimsKey[C]{p.users}
	claims, ok := r.Context().Value(key).(*C) // of a link in front
	if !ok {
		v := p.users.Judge(r)
		if claims, ok = v.Value(key).(*C); !ok {
			return v
		}
	}
	e := p.users.expiry(claims)
	var tags []policy.Tag
	for _, tag := range e.Tags {
		if tag.Key == p.browser {
			tags = append(tags, tag)
		}
	}
	if e.Subject == "" || len(tags) == 0 { // nobody is not the same as nobody
		return noBrowser.WithCause(errNoBrowser)
	}
	var conns []*upgrade.Conn
	for c := range p.up.Connections(tags[0], tags[1:]...) {
		if c.Extend(e) == nil { // else it has ended, is somebody else's, or another policy's
			conns = append(conns, c)
		}
	}
	// As in Renew: who revoked the token in between has not found the connections by its tags.
	if v := p.users.checkRevoked(r.Context(), claims); !v.Allowed() {
		for _, c := range conns {
			go c.Close(v) // a client that does not read holds up no other
		}
		return v
	}
	return policy.Allow().WithValue(renewedKey{}, renewed{len(conns), secondsUntil(e.At)})
}

// A renewed is the answer.
type renewed struct {
	Renewed   int    `json:"renewed"`
	ExpiresIn *int64 `json:"expires_in,omitempty"`
}

type renewedKey struct{}

// secondsUntil is nil for the zero time, which is never.
func secondsUntil(at time.Time) *int64 {
	if at.IsZero() {
		return nil
	}
	return new(max(0, int64(time.Until(at)/time.Second)))
}

func writeRenewed(w http.ResponseWriter, r *http.Request) {
	answer, _ := r.Context().Value(renewedKey{}).(renewed)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	json.NewEncoder(w).Encode(answer) // who is gone learns nothing
}
