package policy_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/wsverdict/wsverdict/policy"
)

func newRequest() *http.Request { return httptest.NewRequest(http.MethodGet, "/ws", nil) }

// always is a policy whose verdict is known.
func always(v policy.Verdict) policy.Policy {
	return policy.Func(func(*http.Request) policy.Verdict { return v })
}

// counted tells how often it was asked.
type counted struct {
	policy.Policy
	asked *int
}

func (c counted) Judge(r *http.Request) policy.Verdict {
	*c.asked++
	return c.Policy.Judge(r)
}

// checker is a policy that finds itself mounted wrongly.
type checker struct{ err error }

func (checker) Judge(*http.Request) policy.Verdict { return policy.Allow() }
func (checker) Name() string                       { return "checker" }
func (c checker) CheckMount(policy.Mounting) error { return c.err }

func panicOf(f func()) (x any) {
	defer func() { x = recover() }()
	f()
	return nil
}

// titled is a policy with a name of its own.
type titled struct{ policy.Policy }

func (titled) Name() string { return "titled" }

type field struct{ name, value string }

func fields(v policy.Verdict) (all []field) {
	for name, value := range v.Header() {
		all = append(all, field{name, value})
	}
	return all
}

// mistakes counts the leaves of a joined error.
func mistakes(err error) int {
	switch e := err.(type) {
	case nil:
		return 0
	case interface{ Unwrap() []error }:
		n := 0
		for _, err := range e.Unwrap() {
			n += mistakes(err)
		}
		return n
	}
	return 1
}

func wantNoAllocs(t *testing.T, what string, f func()) {
	t.Helper()
	if allocs := testing.AllocsPerRun(100, f); allocs != 0 {
		t.Errorf("%s: %v allocs, want 0", what, allocs)
	}
}
