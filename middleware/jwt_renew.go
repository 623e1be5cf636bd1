package middleware

import (
	"context"
	"errors"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

// expiry is the end of a token's time; zero for none.
func (j *JWT[C]) expiry(c jwt.Claims) time.Time {
	exp, err := c.GetExpirationTime()
	if err != nil || exp == nil {
		return time.Time{}
	}
	return exp.Add(j.leeway)
}

var otherSubject = policy.Close(codes.Forbidden, "token_subject_mismatch")

// Renew extends a live connection that j admitted, with a new token that the client has sent over it: to the new token's expiry. It must
// be for the same subject. It returns the new claims: what the session took from the old ones is the session's affair. The error
// is a denying Verdict, which a session may return to close with it, or what [upgrade.Conn.Extend] says: [upgrade.ErrNoExpiry] for
// a connection that never expires ([JWTConfig.KeepExpired], or a token without exp).
func (j *JWT[C]) Renew(ctx context.Context, conn *upgrade.Conn, token string) (claims C, err error) {
	c, v := j.verify(ctx, token)
	if !v.Allowed() {
		return claims, v
	}
	subject, err := j.asClaims(c).GetSubject()
	switch {
	case err != nil:
		return claims, j.answers.claims.WithCause(err)
	case subject == "": // nobody is not the same as nobody
		return claims, otherSubject
	}
	err = conn.Extend(policy.Expiry{At: j.expiry(j.asClaims(c)), Owner: claimsKey[C]{j}, Subject: subject})
	switch {
	case errors.Is(err, upgrade.ErrSubject):
		return claims, otherSubject.WithCause(err)
	case err != nil:
		return claims, err
	}
	return *c, nil
}
