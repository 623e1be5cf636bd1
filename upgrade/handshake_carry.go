package upgrade

import (
	"context"
	"iter"
	"net/http"

	"github.com/wsverdict/wsverdict/policy"
)

// A linkContext carries through foreign handlers what links tell each other, and gives a request what a
// verdict brought along.
type linkContext struct {
	context.Context
	by      *link
	pass    pass
	brought *policy.Verdict // nil where it brought nothing
	outer   *linkContext    // of a link further out
}

type linkKey struct{}

func (c *linkContext) Value(key any) any {
	if key == (linkKey{}) {
		return c
	}
	if c.brought != nil {
		if v := c.brought.Value(key); v != nil {
			return v
		}
	}
	return c.Context.Value(key)
}

// carrier is the innermost linkContext, nil if there is none.
func carrier(ctx context.Context) *linkContext {
	c, _ := ctx.Value(linkKey{}).(*linkContext)
	return c
}

// A carriedRequest is a copy of a request and its linkContext, in one allocation.
type carriedRequest struct {
	linkContext
	request http.Request
}

// A broughtRequest has the verdict as well.
type broughtRequest struct {
	carriedRequest
	verdict policy.Verdict
}

// carry returns a copy of r that carries p.
func (l *link) carry(r *http.Request, p pass) *http.Request {
	return new(carriedRequest).fill(r, l, p)
}

// bring returns a copy of r that carries p, and what v brought.
func (l *link) bring(r *http.Request, p pass, v *policy.Verdict) *http.Request {
	b := &broughtRequest{verdict: *v}
	b.brought = &b.verdict
	return b.fill(r, l, p)
}

func (c *carriedRequest) fill(r *http.Request, by *link, p pass) *http.Request {
	ctx := r.Context()
	c.Context, c.by, c.pass, c.outer = ctx, by, p, carrier(ctx)
	c.request = *r.WithContext(&c.linkContext)
	return &c.request
}

// Brought yields what the links in front of a handler let r pass with, the outermost first: every
// verdict that brings something. It is for handlers that hand it on, as one that mints a ticket for a
// later request does; what a connection gets of it, the endpoint sees to.
func Brought(r *http.Request) iter.Seq[policy.Verdict] {
	return func(yield func(policy.Verdict) bool) { carrier(r.Context()).each(yield) }
}

func (c *linkContext) each(yield func(policy.Verdict) bool) bool {
	return c == nil || c.outer.each(yield) && (c.brought == nil || yield(*c.brought))
}

// carries reports whether ctx has all of p already.
func (c *config) carries(ctx context.Context, p pass) bool {
	for l := carrier(ctx); l != nil; l = l.outer {
		if l.by.config == c && l.pass.since <= p.since && (p.origin == "" || l.pass.origin == p.origin) {
			return true
		}
	}
	return false
}

// since is the number of the first End that a request may have missed when it came to a link or
// endpoint: that End and all later ones find the connection, though there is none yet. The one that
// counts is the outermost link's.
func (c *config) since(p pass) uint64 {
	if p.since != 0 {
		return p.since
	}
	return c.live.ends.Load() + 1
}
