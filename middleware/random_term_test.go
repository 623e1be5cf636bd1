package middleware_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
)

// A term is a policy of a random chain, and what the model knows of it: the model never asks the
// library what a policy would say.
type term struct {
	op   string // "allow", "close", "missing", "reject", "zero", "panic"; "any", "when", "hidden", "named"
	id   int    // of a leaf: it says that it was judged
	code codes.Code
	slug string
	of   []*term
}

// A ruling is the model's verdict.
type ruling struct {
	allowed, hidden bool
	status          int
	missing         bool
	code            codes.Code
	slug            string
}

func (v ruling) weight() int {
	switch {
	case v.missing && !v.hidden:
		return 0
	case v.missing:
		return 1
	case v.hidden:
		return 4
	case v.status >= 500:
		return 3
	}
	return 2
}

// judged collects the leaves that were asked, in order.
type judged struct{ ids []int }

// A generator makes random things. Leaves are numbered through a chain.
type generator struct {
	*rand.Rand
	leaves int
}

func pick[T any](g *generator, from ...T) T { return from[g.IntN(len(from))] }

func (g *generator) term(depth int) *term {
	op := pick(g, "allow", "allow", "allow", "allow", "allow", "close", "close", "missing", "reject", "zero", "panic")
	if depth > 0 && g.IntN(3) == 0 {
		op = pick(g, "any", "any", "when", "hidden", "named")
	}
	t := &term{op: op, id: g.leaves}
	switch op {
	case "any":
		for range 1 + g.IntN(3) {
			t.of = append(t.of, g.term(depth-1))
		}
	case "when", "hidden", "named":
		t.of = []*term{g.term(depth - 1)}
	case "close", "reject", "missing":
		t.code = pick(g, codes.Unauthorized, codes.Forbidden, codes.TooManyRequests, codes.ServiceUnavailable, 4007, 4712)
		t.slug = fmt.Sprintf("leaf_%d", g.leaves)
		g.leaves++
	default:
		g.leaves++
	}
	return t
}

// policy is the term as the library has it. seen is where its leaves say that they were judged.
func (t *term) policy(seen *judged) policy.Policy {
	switch t.op {
	case "any":
		var of []policy.Policy
		for _, o := range t.of {
			of = append(of, o.policy(seen))
		}
		return policy.Any(of...)
	case "when":
		return policy.When(func(r *http.Request) bool { return r.Header.Get("X-When") == "yes" }, t.of[0].policy(seen))
	case "hidden":
		return policy.Hidden(t.of[0].policy(seen))
	case "named":
		return policy.Named("named", t.of[0].policy(seen))
	}
	return policy.Func(func(*http.Request) policy.Verdict {
		seen.ids = append(seen.ids, t.id)
		switch t.op {
		case "allow":
			if t.id%2 == 0 {
				return policy.Allow()
			}
			return policy.Allow().WithTag("leaf", fmt.Sprint(t.id)) // brings something: another way through the link
		case "close":
			return policy.Close(t.code, t.slug)
		case "missing":
			return policy.Close(t.code, t.slug).Missing()
		case "reject":
			return policy.Reject(t.code, t.slug)
		case "panic":
			panic(t.id)
		}
		return policy.Verdict{}
	})
}

// judge is the model of policy: what the documentation says of each term.
func (t *term) judge(when bool, seen *judged) ruling {
	switch t.op {
	case "any":
		var worst ruling
		for i, o := range t.of {
			v := o.judge(when, seen)
			if v.allowed {
				return v
			}
			if i == 0 || v.weight() > worst.weight() {
				worst = v
			}
		}
		return worst
	case "when":
		if !when {
			return ruling{allowed: true}
		}
		return t.of[0].judge(when, seen)
	case "hidden":
		v := t.of[0].judge(when, seen)
		v.hidden = !v.allowed
		return v
	case "named":
		return t.of[0].judge(when, seen)
	}
	seen.ids = append(seen.ids, t.id)
	switch t.op {
	case "allow":
		return ruling{allowed: true}
	case "zero":
		return ruling{status: 500, code: 4500, slug: "undecided"}
	case "panic":
		return ruling{status: 500, code: 4500, slug: "internal_error"}
	}
	status := int(t.code) - 4000
	if status < 400 || status > 599 {
		status = http.StatusForbidden // an application's own code
	}
	return ruling{hidden: t.op == "reject", missing: t.op == "missing", status: status, code: t.code, slug: t.slug}
}

func (t *term) String() string {
	var of []string
	for _, o := range t.of {
		of = append(of, o.String())
	}
	switch {
	case len(of) > 0:
		return t.op + "(" + strings.Join(of, ", ") + ")"
	case t.slug != "":
		return fmt.Sprintf("%s(%d, %s)", t.op, t.code, t.slug)
	}
	return fmt.Sprintf("%s#%d", t.op, t.id)
}
