package middleware

import (
	"context"
	"errors"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

var (
	otherSubject = policy.Close(codes.Forbidden, "token_subject_mismatch")
	notRenewable = policy.Close(codes.Conflict, "token_not_renewable").WithAction(codes.Stop)
)

// Renew extends a live connection that j admitted, with a new token that the client has sent over
// it: to the new token's expiry, and with its tags in place of the old one's ([JWTConfig.Tag],
// [JWTConfig.Tags]): who revokes the old token does not end it any more. It must be for the same
// subject. It returns the new claims: what the session took from the old ones is the session's
// affair. [JWTConfig.Revoked] is asked twice, the second time when the connection has the new tags;
// a token that was revoked in between closes it.
//
// The error is a denying Verdict, which a session may return to close with it: what is wrong with
// the token (as [JWT.Judge] says), 403 token_subject_mismatch, or 409 token_not_renewable for a
// connection that j did not admit ([upgrade.ErrNoExpiry]). On a connection that has been closed it
// is what [upgrade.Conn.Extend] says.
func (j *JWT[C]) Renew(ctx context.Context, conn *upgrade.Conn, token string) (claims C, err error) {
	c, v := j.verify(ctx, token)
	if !v.Allowed() {
		return claims, v
	}
	e := j.expiry(c)
	if e.Subject == "" { // nobody is not the same as nobody
		return claims, otherSubject
	}
	err = conn.Extend(e)
	switch {
	case errors.Is(err, upgrade.ErrSubject):
		return claims, otherSubject.WithCause(err)
	case errors.Is(err, upgrade.ErrNoExpiry):
		return claims, notRenewable.WithCause(err)
	case err != nil:
		return claims, err
	}
	// Who revoked the new token after it was checked, and before its tags were there, has not found the
	// connection.
	if v := j.checkRevoked(ctx, c); !v.Allowed() {
		conn.Close(v)
		return claims, v
	}
	return *j.own(c), nil
}
