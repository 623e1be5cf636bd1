package middleware

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

// MaxTicket is the most that a ticket may carry, in bytes of JSON. Mint refuses to make a larger one.
const MaxTicket = 16 << 10

var (
	ticketByTicket = policy.Close(codes.Forbidden, "ticket_by_ticket").WithDetail("A ticket does not buy another one.")
	noTicket       = policy.Close(codes.InternalServerError, "ticket_not_minted")
	mintsByPost    = policy.Reject(4405, "method_not_allowed").WithHeader("Allow", "POST").WithDetail("Tickets are minted by POST.")
	errTicketBig   = errors.New("middleware: what the ticket would carry is larger than MaxTicket")
)

// Mint returns a ticket that stands for r: for what the links in front of the handler that calls it
// found out. [Tickets.Handler] is such a handler. The error is a denying Verdict: 503
// ticket_store_unavailable, 500 ticket_not_minted where something cannot be serialised, or 403
// ticket_by_ticket where r itself was admitted by a ticket of t: whoever got hold of one would have
// any number.
func (t *Tickets) Mint(r *http.Request) (secret string, err error) {
	if r.Context().Value(redeemed{t}) != nil {
		return "", ticketByTicket
	}
	k, err := t.describe(r)
	if err != nil {
		return "", noTicket.WithCause(err)
	}
	data, err := json.Marshal(k)
	if err != nil {
		return "", noTicket.WithCause(err)
	}
	if len(data) > MaxTicket {
		return "", noTicket.WithCause(errTicketBig)
	}
	secret = rand.Text()
	id := t.id(secret)
	_, err = ask(r.Context(), &t.remote, func(ctx context.Context) (none struct{}, err error) {
		return none, t.store.Put(ctx, id, data, t.life)
	}, nil)
	if err != nil {
		return "", noTicketStore.WithCause(err)
	}
	return secret, nil
}

// describe writes down what is known about r.
func (t *Tickets) describe(r *http.Request) (k ticket, err error) {
	k.Scope = t.scopeOf(r)
	k.Subject, _ = policy.Subject(r)
	if !t.anyOrigin {
		k.Origin = originHeader(r)
	}
	carried := map[any]bool{} // whose expiries are theirs to bring
	k.Kinds, k.Carried = t.carried, map[int]json.RawMessage{}
	for i, c := range t.carry {
		data, ok, err := c.carry(r)
		if err != nil {
			return k, err
		}
		if !ok {
			continue
		}
		k.Carried[i] = data
		if owner := c.owner(); owner != nil {
			carried[owner] = true
		}
	}
	for v := range upgrade.Brought(r) {
		for tag := range v.Tags() {
			k.Tags = append(k.Tags, tag)
		}
		for e := range v.Expiries() {
			if carried[e.Owner] {
				continue
			}
			k.Tags = append(k.Tags, e.Tags...)
			if !e.At.IsZero() && (k.Expires.IsZero() || e.At.Before(k.Expires)) {
				k.Expires = e.At
			}
		}
	}
	return k, nil
}

// Handler mints: it answers a POST with
//
//	{"ticket":"…","expires_in":15}
//
// and Cache-Control: no-store; expires_in is in seconds. Mount it behind the policies that find out
// who asks, and a rate limit by subject; a page of another origin needs a CORS middleware in front of
// it. Denials are settled and observed by up as those of a link: another method is 405.
func (t *Tickets) Handler(up *upgrade.Upgrader) http.Handler {
	return up.Use(mint{t})(http.HandlerFunc(t.write))
}

// A mint is the policy whose allow brings a new ticket.
type mint struct{ tickets *Tickets }

type minted struct{ by *Tickets }

func (m mint) Name() string { return "ticket_mint" }

func (m mint) Judge(r *http.Request) policy.Verdict {
	if r.Method != http.MethodPost {
		return mintsByPost
	}
	secret, err := m.tickets.Mint(r)
	if v, ok := errors.AsType[policy.Verdict](err); ok {
		return v
	}
	return policy.Allow().WithValue(minted{m.tickets}, secret)
}

func (t *Tickets) write(w http.ResponseWriter, r *http.Request) {
	var answer struct {
		Ticket    string `json:"ticket"`
		ExpiresIn int64  `json:"expires_in"`
	}
	answer.Ticket, _ = r.Context().Value(minted{t}).(string)
	answer.ExpiresIn = int64(t.life / time.Second)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	json.NewEncoder(w).Encode(answer) // who is gone learns nothing
}
