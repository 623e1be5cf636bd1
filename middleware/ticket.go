package middleware

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
)

// A TicketsConfig says how tickets are minted and redeemed.
type TicketsConfig struct {
	// Life is how long a ticket can be redeemed: 1 second to 1 minute, 0 means 15 seconds. A page
	// asks for one right before it connects.
	Life time.Duration

	// From are the sources of the ticket at its redemption, asked in order; the first that has one
	// counts. nil means Query("ticket"): what is good for one use and some seconds may stand in a
	// log. [Subprotocol] and [Header] are others.
	From TokenSources

	// Carry are the handles whose knowledge a ticket brings along, so that they answer behind it
	// as they do behind the policy itself: JWT.Claims, and JWT.Renew on the connection;
	// APIKeys.Value; values of your own ([CarryValue]). A ticket is good only where the handles are of
	// the same kinds in the same order: of the same types, and a JWT of the same Issuer and Audience.
	Carry []Carrier

	// Scope, if given, is asked at the mint and at the redemption, and must say the same: a ticket
	// for one room is none for another.
	//
	//	Scope: func(r *http.Request) string { return r.PathValue("room") }
	Scope func(r *http.Request) string

	// AnyOrigin lets a ticket be redeemed by another Origin than the one that minted it. By
	// default they are the same, or both absent: what a foreign page got hold of is worthless to
	// it. Set it where tickets are minted by a server for its pages.
	AnyOrigin bool

	// Store keeps tickets until they are redeemed. nil means a [MemoryTickets] of its own, with
	// which a ticket is good on the server that minted it.
	Store TicketStore

	// Timeout is how long a request waits for a Store of the user's own, also for one that ignores
	// its context. 0 means 250 ms.
	Timeout time.Duration

	// Name tells the tickets of several Tickets in one Store apart: those that share a Store and a Name
	// redeem each other's, on all servers of a fleet. Required where Store is given.
	Name string
}

// A TicketStore keeps tickets. It is called concurrently. Its contexts end with the request and
// after [TicketsConfig.Timeout].
type TicketStore interface {
	// Put keeps a ticket under an id, for ttl, by the store's clock: nobody else looks whether that
	// has passed, since the clocks of servers may differ. The id is a hash: who reads the store can
	// redeem nothing. There never is one already.
	Put(ctx context.Context, id string, ticket []byte, ttl time.Duration) error

	// Take returns the ticket and removes it in the same step: of several callers one gets it. ok
	// is false where there is none, or its ttl has passed.
	Take(ctx context.Context, id string) (ticket []byte, ok bool, err error)
}

// Tickets admit a WebSocket for somebody whom an ordinary request identified a moment ago: by a
// header or a cookie that the handshake could not have, and without a token in the URL. The page
// fetches a ticket from [Tickets.Handler], which stands behind any chain of policies, and connects
// with it; Tickets as a policy redeems it, once, and brings what the chain brought: the subject,
// tags, the time at which the connection ends, and what the handles of [TicketsConfig.Carry] know.
// Seats are not brought: they belong in front of the endpoint.
//
//	r.With(ws.Origin(page), ws.RateLimit(perUser), ws.Use(users)).Method("POST", "/ticket", tickets.Handler(up))
//	r.With(ws.Origin(page), ws.Use(tickets)).Handle("/ws", up.Handler(chat)) // new WebSocket("/ws?ticket=…")
//
// On denial:
//
//	401 ticket_missing             refresh   in policy.Any it loses to those who found a credential of their kind
//	401 ticket_invalid             refresh   unknown, used, too old, of another Origin or Scope: not told apart
//	503 ticket_store_unavailable   backoff
//
// and what the policies of Carry say, where their credential expired or was revoked in between. A
// ticket is used up by its redemption, also by one that was denied: each attempt needs a new one.
// It is safe for concurrent use.
type Tickets struct {
	life      time.Duration
	from      TokenSources
	carry     []Carrier
	carried   string // what is in carry, in short
	scope     func(*http.Request) string
	anyOrigin bool
	store     TicketStore
	remote    remote
}

const (
	defaultTicketLife = 15 * time.Second
	maxTicketLife     = time.Minute

	// ticketLength is that of crypto/rand.Text: 130 bits in base32.
	ticketLength = 26
)

// NewTickets returns a Tickets. The error lists every mistake in cfg.
func NewTickets(cfg TicketsConfig) (*Tickets, error) {
	var wrong mistakes
	cfg.Life = cmp.Or(cfg.Life, defaultTicketLife)
	if cfg.Life < time.Second || cfg.Life > maxTicketLife {
		wrong.add("Life must be 1 second to 1 minute")
	}
	for _, e := range cfg.From {
		checkExtractor(e, &wrong)
	}
	if len(cfg.From) == 0 {
		cfg.From = TokenSources{Query("ticket")}
	}
	if slices.Contains(cfg.Carry, nil) {
		wrong.add("Carry: a handle is nil")
	}
	if cfg.Store == nil {
		cfg.Store = NewMemoryTickets(0)
		cfg.Name = cmp.Or(cfg.Name, "default")
	} else if cfg.Name == "" {
		wrong.add("Name is missing: those that share a Store and a Name redeem each other's tickets")
		cfg.Name = "default" // that is mistake enough
	}
	t := &Tickets{life: cfg.Life, from: slices.Clone(cfg.From), carry: slices.Clone(cfg.Carry), carried: kinds(cfg.Carry), scope: cfg.Scope,
		anyOrigin: cfg.AnyOrigin, store: cfg.Store,
		remote: newRemote(cfg.Store, cfg.Timeout, DenyOnFailure, nil, cfg.Name, &wrong)}
	if err := wrong.err("NewTickets"); err != nil {
		return nil, err
	}
	return t, nil
}

// MustTickets is [NewTickets] for package variables: it panics on mistakes.
func MustTickets(cfg TicketsConfig) *Tickets {
	t, err := NewTickets(cfg)
	if err != nil {
		panic(err)
	}
	return t
}

// A ticket is what a store keeps. It is serialised in memory too: what works there works in a fleet.
type ticket struct {
	Origin  string       `json:"origin,omitempty"`
	Scope   string       `json:"scope,omitempty"`
	Subject string       `json:"subject,omitempty"`
	Tags    []policy.Tag `json:"tags,omitempty"`
	Expires time.Time    `json:"expires,omitzero"` // of the connection

	Kinds   string                  `json:"kinds,omitempty"`   // of all handles
	Carried map[int]json.RawMessage `json:"carried,omitempty"` // of those that admitted
}

var (
	ticketMissing = policy.Close(codes.Unauthorized, "ticket_missing").WithAction(codes.Refresh).
			WithDetail("A ticket is required.").WithHeader("WWW-Authenticate", "Ticket").Missing()
	ticketInvalid = policy.Close(codes.Unauthorized, "ticket_invalid").WithAction(codes.Refresh).
			WithDetail("The ticket is not valid, or not any more.").WithHeader("WWW-Authenticate", "Ticket")
	noTicketStore = policy.Close(codes.ServiceUnavailable, "ticket_store_unavailable").
			WithDetail("Tickets cannot be had or checked at the moment.")

	errTicketForm    = errors.New("middleware: the ticket has not the form of one")
	errTicketUnknown = errors.New("middleware: there is no such ticket, or not any more")
	errTicketOld     = errors.New("middleware: what admitted the owner of the ticket has expired")
	errTicketOrigin  = errors.New("middleware: the ticket is of another Origin")
	errTicketScope   = errors.New("middleware: the ticket is of another Scope")
	errTicketCarried = errors.New("middleware: the ticket was minted under another TicketsConfig.Carry")
)

// Judge is the policy that redeems.
func (t *Tickets) Judge(r *http.Request) policy.Verdict {
	secret, err := t.from.ExtractToken(r)
	switch {
	case isNoToken(err):
		return ticketMissing
	case err != nil:
		return ticketInvalid.WithCause(err)
	case len(secret) != ticketLength: // nothing that a store has to be asked about
		return ticketInvalid.WithCause(errTicketForm)
	}
	data, err := t.take(r.Context(), secret)
	switch {
	case errors.Is(err, errTicketUnknown):
		return ticketInvalid.WithCause(err)
	case err != nil:
		return noTicketStore.WithCause(err)
	}
	v, err := t.redeem(r, data)
	if denied, ok := errors.AsType[policy.Verdict](err); ok {
		return denied
	}
	if err != nil {
		return ticketInvalid.WithCause(err)
	}
	return v
}

func (t *Tickets) take(ctx context.Context, secret string) ([]byte, error) {
	return ask(ctx, &t.remote, func(ctx context.Context) ([]byte, error) {
		data, ok, err := t.store.Take(ctx, t.id(secret))
		if err == nil && !ok {
			err = errTicketUnknown
		}
		return data, err
	}, nil)
}

// redeem is what a ticket brings to a request that holds it. An error may be a Verdict.
func (t *Tickets) redeem(r *http.Request, data []byte) (v policy.Verdict, err error) {
	var k ticket
	if err := json.Unmarshal(data, &k); err != nil {
		return v, err
	}
	switch {
	case !k.Expires.IsZero() && !time.Now().Before(k.Expires):
		return v, errTicketOld
	case !t.anyOrigin && k.Origin != originHeader(r):
		return v, errTicketOrigin
	case k.Scope != t.scopeOf(r):
		return v, errTicketScope
	case k.Kinds != t.carried:
		return v, errTicketCarried
	}
	v = policy.Allow()
	for i, c := range t.carry {
		if data, ok := k.Carried[i]; ok {
			if v, err = c.bring(r.Context(), v, data); err != nil {
				return v, err
			}
		}
	}
	for _, tag := range k.Tags {
		v = v.WithTag(tag.Key, tag.Value)
	}
	if !k.Expires.IsZero() {
		v = v.WithExpiry(policy.Expiry{At: k.Expires, Owner: t, Subject: k.Subject})
	}
	return v.WithSubject(k.Subject).WithValue(redeemed{t}, true), nil
}

// redeemed is the key under which a request says that a ticket admitted it.
type redeemed struct{ by *Tickets }

// Name is "ticket".
func (t *Tickets) Name() string { return "ticket" }

// CheckMount asks the sources that care where they are mounted.
func (t *Tickets) CheckMount(m policy.Mounting) error { return t.from.CheckMount(m) }

// id is what a store knows a ticket by.
func (t *Tickets) id(secret string) string {
	hash := sha256.Sum256([]byte(t.remote.scope + "\x00" + secret))
	return base64.RawURLEncoding.EncodeToString(hash[:])
}

func (t *Tickets) scopeOf(r *http.Request) string {
	if t.scope == nil {
		return ""
	}
	return t.scope(r)
}

// originHeader is what compares equal for two requests of one page. Several lines are no browser's.
func originHeader(r *http.Request) string { return strings.Join(r.Header["Origin"], ", ") }
