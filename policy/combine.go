package policy

import (
	"errors"
	"net/http"
	"strings"
)

var (
	errNilPolicy = errors.New("policy is nil")
	errNoPolicy  = errors.New("policy.Any: no policy given: it would deny everybody")
	errNilCond   = errors.New("policy.When: condition is nil")
	errNoName    = errors.New("policy.Named: name is empty")
)

// Any returns a policy that allows what one of ps allows. They are asked in order, and the first
// that allows wins; what it brings along counts, and nothing of those before it. If all deny, the
// answer is the first [Reject], else the first 5xx (it could not decide, and might have allowed),
// else the first denial that judged a credential, else the first of those that found none of their
// kind ([Verdict.Missing]; among these too a Reject comes first).
//
// Reports name the alternative that decided.
//
// Any of nothing denies everybody and is reported as a mistake when mounted.
func Any(ps ...Policy) Policy {
	a := make(anyOf, len(ps)) // the caller's slice may change later
	for i, p := range ps {
		a[i] = named{policy: p}
		if !isNil(p) {
			a[i].name = NameOf(p)
		}
	}
	return a
}

type anyOf []named

func (a anyOf) Judge(r *http.Request) Verdict {
	var worst Verdict // of no policy: the zero Verdict, which denies
	for i, p := range a {
		v := Ask(p.policy, r)
		if v.policy == "" {
			v.policy = p.name
		}
		if v.Allowed() {
			return v
		}
		if i == 0 || v.weight() > worst.weight() {
			worst = v
		}
	}
	return worst
}

func (a anyOf) Name() string {
	names := make([]string, len(a))
	for i, p := range a {
		names[i] = p.name
	}
	return "any(" + strings.Join(names, ",") + ")"
}

func (a anyOf) CheckMount(m Mounting) error {
	if len(a) == 0 {
		return errNoPolicy
	}
	var errs []error
	for _, p := range a {
		errs = append(errs, CheckMount(p.policy, m))
	}
	return errors.Join(errs...)
}

// When returns a policy that asks p only where cond is true, and allows everything else. A
// condition that an attacker can choose (a header, a query parameter) is a way around p.
func When(cond func(r *http.Request) bool, p Policy) Policy { return when{cond, p} }

type when struct {
	cond   func(*http.Request) bool
	policy Policy
}

func (w when) Judge(r *http.Request) Verdict {
	if !w.cond(r) {
		return Allow()
	}
	return w.policy.Judge(r)
}

func (w when) Name() string { return NameOf(w.policy) }

func (w when) CheckMount(m Mounting) error {
	err := CheckMount(w.policy, m)
	if w.cond == nil {
		return errors.Join(errNilCond, err)
	}
	return err
}

// Named returns p under another name in reports, and changes nothing else. Of several names the
// outermost counts.
func Named(name string, p Policy) Policy { return named{name, p} }

// Hidden returns p with every denial as a [Reject]: scripts do not learn of it. That is so when p
// panics, too, and when a seat that it brings cannot be had.
func Hidden(p Policy) Policy { return hidden{p} }

type hidden struct{ policy Policy }

func (h hidden) Judge(r *http.Request) Verdict { return Ask(h.policy, r).Hide() }
func (h hidden) Name() string                  { return NameOf(h.policy) }
func (h hidden) CheckMount(m Mounting) error   { return CheckMount(h.policy, m) }

type named struct {
	name   string
	policy Policy
}

func (n named) Judge(r *http.Request) Verdict {
	v := Ask(n.policy, r)
	v.policy = n.name
	return v
}

func (n named) Name() string { return n.name }

func (n named) CheckMount(m Mounting) error {
	err := CheckMount(n.policy, m)
	if n.name == "" {
		return errors.Join(errNoName, err)
	}
	return err
}
