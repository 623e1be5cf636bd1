package upgrade

import (
	"errors"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
)

var (
	// ErrNoExpiry is what [Conn.Extend] returns for an owner that brought no expiry.
	ErrNoExpiry = errors.New("upgrade: the connection has no such expiry")
	// ErrSubject is what [Conn.Extend] returns for another subject than the one that was admitted.
	ErrSubject = errors.New("upgrade: the connection belongs to another subject")
)

var tokenExpired = policy.Close(codes.Unauthorized, "token_expired")

// Extend moves an expiry of the live connection ([policy.Verdict.WithExpiry]), in either direction: the one of the same owner, for
// the same subject. A zero time removes it. Who verified the new credentials calls it, such as the Renew method of a JWT handle. On
// a connection that has been closed it returns why.
func (c *Conn) Extend(e policy.Expiry) error {
	if err := c.over(); err != nil {
		return err
	}
	l := &c.config.live
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range c.timer.expires {
		old := &c.timer.expires[i]
		if old.Owner != e.Owner {
			continue
		}
		if old.Subject != e.Subject {
			return ErrSubject
		}
		old.At = e.At
		if !c.place.gone {
			l.schedule(c)
		}
		return nil
	}
	return ErrNoExpiry
}
