package middleware

import (
	"context"
	"net/http"
)

// A MessageRate counts the messages of one session, by the key and rate that its handshake had.
type MessageRate struct {
	limit *RateLimit
	key   Key
	rate  Rate
}

// Messages returns what a session counts its messages by: the same Key, Rate, RateFor and Limiter as
// for requests, asked of its handshake. The endpoint's function calls it, and its error, a Verdict,
// refuses the client. Connections with the same key share what they may send: with [BySubject] a user
// gains nothing from another connection.
//
//	var messages = middleware.MustRateLimit(middleware.RateLimitConfig{Rate: middleware.PerSecond(10), Key: middleware.BySubject})
//
//	func chat(r *http.Request) (upgrade.Session, error) {
//		sent, err := messages.Messages(r)
//		if err != nil {
//			return nil, err
//		}
//		return func(ctx context.Context, c *upgrade.Conn) error {
//			for {
//				_, message, err := c.Read(ctx, nil)
//				if err != nil {
//					return err
//				}
//				if err := sent.Take(ctx, 1); err != nil {
//					return err // closes with 4429 rate_limited;do=backoff;after=…
//				}
//				…
//
// Use a RateLimit for messages alone: one that is mounted for handshakes too would count both
// together. With a Limiter of the user's own every message asks it, and its Name keeps the two apart.
func (l *RateLimit) Messages(r *http.Request) (*MessageRate, error) {
	key, ok := l.key(r)
	if !ok {
		return nil, noKey
	}
	return &MessageRate{l, key, l.rateOf(r)}, nil
}

// Take counts a message of a given cost, 1 for most; less counts as 1. Its error is a Verdict, 4429
// rate_limited;do=backoff;after=…, if it is one too many, and nothing was counted: a session returns it
// to close, or drops the message and goes on. When the Limiter fails OnFailure says what happens, and
// OnError is told with a nil request. With a [MemoryLimiter] a message within its rate allocates
// nothing. It is safe for concurrent use.
func (m *MessageRate) Take(ctx context.Context, cost int) error {
	if v := m.limit.judge(ctx, nil, m.key, m.rate, max(1, cost)); !v.Allowed() {
		return v
	}
	return nil
}
