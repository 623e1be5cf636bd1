package fleet

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/wsverdict/wsverdict/middleware"
)

// Tickets is a [middleware.TicketStore]: a ticket is redeemed on any server, once. Each method is
// one command. It is safe for concurrent use.
type Tickets struct{ fleet *Fleet }

var _ middleware.TicketStore = (*Tickets)(nil)

var errTicketExists = errors.New("there is a ticket with that id")

// Put stores a ticket under id for ttl, in which it can be taken once. id is stored as it is: it
// should be a hash of the secret. An id that exists is an error, which leaves the first ticket as
// it was.
func (t *Tickets) Put(ctx context.Context, id string, ticket []byte, ttl time.Duration) error {
	key := t.fleet.names.ticket(id)
	_, err := t.fleet.ask(ctx, t.fleet.soon(), OpPutTicket, key, func(ctx context.Context, c redis.Cmdable) redis.Cmder {
		return c.SetArgs(ctx, key, ticket, redis.SetArgs{Mode: "NX", TTL: ttl})
	})
	if errors.Is(err, redis.Nil) {
		return t.fleet.failed(OpPutTicket, errTicketExists)
	}
	return err
}

// Take returns the ticket and removes it in the same step: of all who ask, one gets it. ok is false
// where there is none, or none any more. An answer that was lost on the way has used the ticket up.
func (t *Tickets) Take(ctx context.Context, id string) (ticket []byte, ok bool, err error) {
	key := t.fleet.names.ticket(id)
	cmd, err := t.fleet.ask(ctx, t.fleet.soon(), OpTakeTicket, key, func(ctx context.Context, c redis.Cmdable) redis.Cmder {
		return c.GetDel(ctx, key)
	})
	switch {
	case errors.Is(err, redis.Nil):
		return nil, false, nil
	case err != nil:
		return nil, false, err
	}
	ticket, err = cmd.(*redis.StringCmd).Bytes()
	return ticket, err == nil, err
}
