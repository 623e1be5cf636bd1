package upgrade

import (
	"errors"
	"math"
	"time"

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

// An expiry is when credentials of a connection end. Most connections have one.
type expiry struct {
	at      int64 // nanoseconds since 1970; never for none
	owner   any
	subject string
	next    *expiry
	notices notices // of the first in the list
}

const never = math.MaxInt64

// nanoseconds is t as an expiry has it. Some issuers write "never" as the year 9999, which is
// beyond what can be counted.
func nanoseconds(t time.Time) int64 {
	switch {
	case t.IsZero() || t.Year() > 2200:
		return never
	case t.Year() < 1970:
		return 0
	}
	return t.UnixNano()
}

// expiresAt is the earliest of all, never if there is none or it has come. live.mu is held.
func (c *Conn) expiresAt() int64 {
	at := int64(never)
	for e := c.timer.expires; e != nil && !c.state.expired; e = e.next {
		at = min(at, e.at)
	}
	return at
}

// Extend moves an expiry of the live connection ([policy.Verdict.WithExpiry]), in either direction:
// the one of the same owner, for the same subject. A zero time means never. The
// expiry's tags are replaced by those of e: a renewed connection is not found any more by what the
// old credentials said. Who verified the new ones calls it, such as the Renew method of a JWT
// handle. On a connection that has been closed it returns why; that is also the answer once the old
// expiry has come: an error that unwraps to the verdict, 4401 token_expired.
func (c *Conn) Extend(e policy.Expiry) error {
	if err := c.over(); err != nil {
		return err
	}
	l := &c.config.live
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.state.expired { // and is about to be closed
		return &closedError{tokenExpired}
	}
	found := false
	for old := c.timer.expires; old != nil; old = old.next {
		if old.owner != e.Owner {
			continue
		}
		if old.subject != e.Subject {
			return ErrSubject
		}
		found = true
	}
	if !found {
		return ErrNoExpiry
	}
	for old := c.timer.expires; old != nil; old = old.next { // several where a policy stands in a chain twice
		if old.owner == e.Owner {
			old.at = nanoseconds(e.At)
		}
	}
	if c.state.gone {
		return nil
	}
	l.untag(c, func(m *membership) bool { return m.owner == e.Owner })
	room := make([]membership, len(e.Tags))
	for i, tag := range e.Tags {
		l.tag(c, ownedTag{tag, e.Owner}, &room[i])
	}
	l.schedule(c)
	return nil
}
