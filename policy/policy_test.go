package policy_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
)

func membersOnly(*http.Request) policy.Verdict { return policy.Close(codes.Forbidden, "not_a_member") }

type door struct{}

func (door) Judge(*http.Request) policy.Verdict  { return policy.Allow() }
func (door) locked(*http.Request) policy.Verdict { return policy.Reject(codes.Forbidden, "locked") }

func TestFuncJudges(t *testing.T) {
	r := newRequest()
	f := policy.Func(func(got *http.Request) policy.Verdict {
		if got != r {
			t.Error("another request than was asked about")
		}
		return policy.Close(codes.Gone, "x")
	})
	if v := f.Judge(r); v.Code() != codes.Gone {
		t.Errorf("code %d, want %d", v.Code(), codes.Gone)
	}
}

// Names are labels of metrics: they must be readable and hold no path of the machine that built the program.
func TestNameOf(t *testing.T) {
	tests := []struct {
		desc   string
		policy policy.Policy
		want   string
	}{
		{desc: "function", policy: policy.Func(membersOnly), want: "policy_test.membersOnly"},
		{desc: "method value", policy: policy.Func(door{}.locked), want: "policy_test.door.locked"},
		{desc: "type", policy: door{}, want: "policy_test.door"},
		{desc: "pointer", policy: &door{}, want: "*policy_test.door"},
		{desc: "Namer", policy: checker{}, want: "checker"},
		{desc: "nil function", policy: policy.Func(nil), want: "policy.Func"},
		{desc: "nil", policy: nil, want: "<nil>"},
		{desc: "Any", policy: policy.Any(checker{}, door{}), want: "any(checker,policy_test.door)"},
		{desc: "When", policy: policy.When(nil, checker{}), want: "checker"},
		{desc: "Named", policy: policy.Named("members", door{}), want: "members"},
		{desc: "nested", policy: policy.Any(policy.Named("a", door{}), policy.When(nil, policy.Any(checker{}))), want: "any(a,any(checker))"},
	}
	for _, tc := range tests {
		if got := policy.NameOf(tc.policy); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.desc, got, tc.want)
		}
	}
}

func TestCheckMountOfNil(t *testing.T) {
	var none *door
	for _, tc := range []struct {
		desc   string
		policy policy.Policy
		want   int
	}{
		{desc: "nil", policy: nil, want: 1},
		{desc: "nil function", policy: policy.Func(nil), want: 1},
		{desc: "nil pointer", policy: none, want: 1},
		{desc: "function", policy: policy.Func(membersOnly)},
		{desc: "value", policy: door{}},
		{desc: "pointer", policy: &door{}},
	} {
		if got := mistakes(policy.CheckMount(tc.policy, policy.Mounting{})); got != tc.want {
			t.Errorf("%s: %d mistakes, want %d", tc.desc, got, tc.want)
		}
	}
}

// shown is a policy that keeps what it is shown.
type shown struct {
	door
	subprotocols *[]string
}

func (s shown) CheckMount(m policy.Mounting) error {
	*s.subprotocols = m.Subprotocols
	return nil
}

func TestCheckMountShowsTheMounting(t *testing.T) {
	m := policy.Mounting{Subprotocols: []string{"chat.v1", "bearer"}}
	for name, wrap := range map[string]func(policy.Policy) policy.Policy{
		"alone": func(p policy.Policy) policy.Policy { return p },
		"Any":   func(p policy.Policy) policy.Policy { return policy.Any(door{}, p) },
		"When":  func(p policy.Policy) policy.Policy { return policy.When(never, p) },
		"Named": func(p policy.Policy) policy.Policy { return policy.Named("x", p) },
		"deep": func(p policy.Policy) policy.Policy {
			return policy.Named("x", policy.When(never, policy.Any(policy.Named("y", p))))
		},
	} {
		var got []string
		if err := policy.CheckMount(wrap(shown{subprotocols: &got}), m); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !slices.Equal(got, m.Subprotocols) {
			t.Errorf("%s: shown %q, want %q", name, got, m.Subprotocols)
		}
	}
}
