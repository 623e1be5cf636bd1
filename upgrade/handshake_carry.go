package upgrade

import (
	"context"
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

func newCarrier(ctx context.Context, by *link, p pass) *linkContext {
	return &linkContext{Context: ctx, by: by, pass: p, outer: carrier(ctx)}
}

// A broughtContext is a linkContext with its verdict in the same allocation.
type broughtContext struct {
	linkContext
	verdict policy.Verdict
}

func newBrought(ctx context.Context, by *link, p pass, v policy.Verdict) *broughtContext {
	c := &broughtContext{*newCarrier(ctx, by, p), v}
	c.brought = &c.verdict
	return c
}

// carries reports whether ctx has all of p already.
func (c *config) carries(ctx context.Context, p pass) bool {
	for l := carrier(ctx); l != nil; l = l.outer {
		if l.by.config == c && l.pass.since == p.since && (p.origin == "" || l.pass.origin == p.origin) {
			return true
		}
	}
	return false
}

// since says how many Ends there had been when r came to the first link or endpoint of this Upgrader, and
// 1: an End that came later finds the connection, though there was none yet.
func (c *config) since(r *http.Request, p pass) uint64 {
	if p.since != 0 {
		return p.since
	}
	if len(r.Header["Upgrade"]) > 0 {
		for l := carrier(r.Context()); l != nil; l = l.outer {
			if l.by.config == c {
				return l.pass.since // each has the first one's
			}
		}
	}
	return c.live.ends.Load() + 1
}
