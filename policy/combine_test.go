package policy_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
)

func never(*http.Request) bool { return false }
func ever(*http.Request) bool  { return true }

var (
	soft    = policy.Close(codes.Unauthorized, "soft")
	soft2   = policy.Close(codes.Forbidden, "soft2")
	failed  = policy.Close(codes.ServiceUnavailable, "failed")
	failed2 = policy.Close(codes.InternalServerError, "failed2")
	reject  = policy.Reject(codes.Forbidden, "reject")
	reject2 = policy.Reject(codes.InternalServerError, "reject2")
	own5xx  = policy.Close(4601, "own").WithStatus(503)
	zero    = policy.Verdict{}
	none    = policy.Close(codes.Unauthorized, "token_missing").Missing()
	none2   = policy.Close(codes.Unauthorized, "api_key_missing").Missing()
	noneX   = policy.Reject(codes.Unauthorized, "ticket_missing").Missing()
	allowed = policy.Allow()
)

func TestAny(t *testing.T) {
	tests := []struct {
		desc     string
		verdicts []policy.Verdict
		want     policy.Verdict
		asked    int
	}{
		{desc: "nothing denies everybody", want: zero},
		{desc: "one", verdicts: []policy.Verdict{soft}, want: soft, asked: 1},
		{desc: "first allow wins, nobody behind it is asked", verdicts: []policy.Verdict{allowed, reject}, want: allowed, asked: 1},
		{desc: "allow beats what denied before", verdicts: []policy.Verdict{soft, failed, reject, zero, allowed}, want: allowed, asked: 5},
		{desc: "first denial", verdicts: []policy.Verdict{soft, soft2}, want: soft, asked: 2},
		{desc: "5xx beats 4xx", verdicts: []policy.Verdict{soft, failed, soft2}, want: failed, asked: 3},
		{desc: "first 5xx", verdicts: []policy.Verdict{soft, failed, failed2}, want: failed, asked: 3},
		{desc: "reject beats 5xx before it", verdicts: []policy.Verdict{failed, soft, reject}, want: reject, asked: 3},
		{desc: "reject beats 5xx behind it", verdicts: []policy.Verdict{reject, failed, soft}, want: reject, asked: 3},
		{desc: "first reject, whatever its status", verdicts: []policy.Verdict{soft, reject, reject2}, want: reject, asked: 3},
		{desc: "the zero Verdict could not decide", verdicts: []policy.Verdict{soft, zero}, want: zero, asked: 2},
		{desc: "who judged a credential, behind", verdicts: []policy.Verdict{none, soft}, want: soft, asked: 2},
		{desc: "who judged a credential, in front", verdicts: []policy.Verdict{soft, none}, want: soft, asked: 2},
		{desc: "who could not decide, not who found nothing", verdicts: []policy.Verdict{none, failed, none2}, want: failed, asked: 3},
		{desc: "a hidden missing loses as well", verdicts: []policy.Verdict{noneX, soft}, want: soft, asked: 2},
		{desc: "nobody found anything", verdicts: []policy.Verdict{none, none2}, want: none, asked: 2},
		{desc: "nobody found anything, one is hidden", verdicts: []policy.Verdict{none, noneX, none2}, want: noneX, asked: 3},
		{desc: "a declared 5xx is one", verdicts: []policy.Verdict{soft, own5xx}, want: own5xx, asked: 2},
	}
	for _, tc := range tests {
		t.Run(tc.desc, func(t *testing.T) {
			asked := 0
			var ps []policy.Policy
			for _, v := range tc.verdicts {
				ps = append(ps, counted{always(v), &asked})
			}
			if got := policy.Any(ps...).Judge(newRequest()); !got.Is(tc.want) {
				t.Errorf("%v, want %v", got, tc.want)
			}
			if asked != tc.asked {
				t.Errorf("%d policies were asked, want %d", asked, tc.asked)
			}
		})
	}
}

// What a policy learned about somebody it refused must not reach anybody.
func TestAnyBringsFromTheAllowingOneOnly(t *testing.T) {
	v := policy.Any(
		always(soft.WithValue(keyA, "refused").WithHeader("Www-Authenticate", "Bearer")),
		always(allowed.WithValue(keyB, "allowed")),
		always(allowed.WithValue(keyA, "not asked")),
	).Judge(newRequest())
	if v.Value(keyA) != nil || v.Value(keyB) != "allowed" || fields(v) != nil {
		t.Errorf("a: %v, b: %v, fields %v, want nil, allowed, none", v.Value(keyA), v.Value(keyB), fields(v))
	}
}

func TestAnyKeepsItsPolicies(t *testing.T) {
	ps := []policy.Policy{always(soft)}
	p := policy.Any(ps...)
	ps[0] = always(allowed)
	if p.Judge(newRequest()).Allowed() {
		t.Error("changing the slice afterwards opened the door")
	}
}

func TestWhen(t *testing.T) {
	asked := 0
	p := counted{always(reject.WithHeader("Vary", "Origin")), &asked}
	if v := policy.When(never, p).Judge(newRequest()); !v.Allowed() || asked != 0 {
		t.Errorf("false: %v, asked %d times, want allowed and not asked", v, asked)
	}
	if v := policy.When(ever, p).Judge(newRequest()); !v.Is(reject) || len(fields(v)) != 1 || asked != 1 {
		t.Errorf("true: %v, asked %d times, want the policy's own verdict", v, asked)
	}
	r := newRequest()
	same := func(got *http.Request) bool { return got == r }
	if v := policy.When(same, p).Judge(r); v.Allowed() {
		t.Error("the condition saw another request")
	}
}

func TestNamedChangesTheNameAlone(t *testing.T) {
	for _, v := range []policy.Verdict{soft, reject, zero, allowed, own5xx} {
		v = v.WithAfter(1e9).WithCause(errCause).WithDetail("No.").WithValue(keyA, 1).WithHeader("Vary", "Origin")
		got := policy.Named("outer", policy.Named("inner", always(v))).Judge(newRequest())
		if got.Policy() != "outer" {
			t.Errorf("policy %q, want the outermost name", got.Policy())
		}
		if !got.Is(v) || got.Status() != v.Status() || got.Reason() != v.Reason() || got.Detail() != v.Detail() ||
			got.Cause() != errCause || got.Value(keyA) != 1 || len(fields(got)) != 1 {
			t.Errorf("%v became %v", v, got)
		}
	}
}

// A report names who decided, not the combination that asked: by its own name, or by the one that it was given.
func TestAnyNamesWhoDecided(t *testing.T) {
	for _, tc := range []struct{ first, second policy.Verdict }{{soft, failed}, {none, soft}, {soft, allowed}} {
		v := policy.Any(policy.Named("a", always(tc.first)), titled{always(tc.second)}).Judge(newRequest())
		if v.Policy() != "titled" {
			t.Errorf("%v, %v: policy %q, want that of the second", tc.first, tc.second, v.Policy())
		}
	}
	v := policy.Any(policy.Named("a", always(soft)), policy.Named("b", always(failed))).Judge(newRequest())
	if v.Policy() != "b" {
		t.Errorf("policy %q, want b, whose denial it is", v.Policy())
	}
}

func TestCheckMountJoinsAllMistakes(t *testing.T) {
	errA, errB := errors.New("a"), errors.New("b")
	tests := []struct {
		desc   string
		policy policy.Policy
		want   int
		is     []error
	}{
		{desc: "sound", policy: policy.Named("x", policy.Any(policy.When(ever, checker{}), door{}))},
		{desc: "Any of nothing", policy: policy.Any(), want: 1},
		{desc: "Any of nil ones", policy: policy.Any(nil, door{}, policy.Func(nil), (*door)(nil)), want: 3},
		{desc: "Any of wrong ones", policy: policy.Any(checker{errA}, nil, checker{errB}), want: 3, is: []error{errA, errB}},
		{desc: "When without anything", policy: policy.When(nil, nil), want: 2},
		{desc: "When without condition", policy: policy.When(nil, checker{errA}), want: 2, is: []error{errA}},
		{desc: "Named without anything", policy: policy.Named("", nil), want: 2},
		{desc: "Named without name", policy: policy.Named("", checker{errA}), want: 2, is: []error{errA}},
		{desc: "deep", want: 6, is: []error{errA, errB}, policy: policy.Any(
			policy.Named("", policy.When(nil, checker{errA})), policy.When(never, policy.Any()), policy.Named("x", nil), checker{errB})},
	}
	for _, tc := range tests {
		err := policy.CheckMount(tc.policy, policy.Mounting{})
		if got := mistakes(err); got != tc.want {
			t.Errorf("%s: %d mistakes, want %d: %v", tc.desc, got, tc.want, err)
		}
		for _, want := range tc.is {
			if !errors.Is(err, want) {
				t.Errorf("%s: %v lacks %q", tc.desc, err, want)
			}
		}
	}
}

func TestJudgingAllocations(t *testing.T) {
	r := newRequest()
	p := policy.Named("all", policy.Any(policy.When(ever, always(soft)), policy.Named("b", always(failed)), policy.Any(always(reject)), always(allowed)))
	wantNoAllocs(t, "Named, Any, When", func() { p.Judge(r) })
	denying := policy.Any(policy.Func(membersOnly), always(failed))
	wantNoAllocs(t, "Any that denies", func() { denying.Judge(r) })
}

func TestHidden(t *testing.T) {
	denied := policy.Close(codes.Forbidden, "banned").WithAfter(1e9)
	v := policy.Hidden(policy.Named("bans", always(denied))).Judge(nil)
	if !v.Hidden() || v.Code() != codes.Forbidden || v.Reason() != denied.Reason() || v.Policy() != "bans" {
		t.Errorf("got %v of %q, hidden %v", v, v.Policy(), v.Hidden())
	}
	if v := policy.Hidden(always(policy.Allow().WithValue(keyA, 1))).Judge(nil); !v.Allowed() || v.Value(keyA) != 1 {
		t.Errorf("an allow became %v", v)
	}
	if name := policy.NameOf(policy.Hidden(policy.Named("bans", always(denied)))); name != "bans" {
		t.Errorf("name %q", name)
	}
	if err := policy.CheckMount(policy.Hidden(nil), policy.Mounting{}); err == nil {
		t.Error("nothing hidden was mounted")
	}
}

// A panic inside is a denial, under all that the combinators say of it: hidden, named, and only one of the alternatives.
func TestPanicsInsideCombinators(t *testing.T) {
	t.Setenv("GODEBUG", "panicnil=1")
	for _, value := range []any{"boom", nil} {
		panics := policy.Named("broken", policy.Func(func(*http.Request) policy.Verdict { panic(value) }))
		condition := policy.Named("broken", policy.When(func(*http.Request) bool { panic(value) }, always(allowed)))
		for _, p := range []policy.Policy{panics, condition} {
			for name, tc := range map[string]struct {
				policy policy.Policy
				hidden bool
			}{
				"alone":  {policy: p},
				"Hidden": {policy: policy.Hidden(p), hidden: true},
				"Any":    {policy: policy.Any(always(soft), p, always(none))},
				"deep":   {policy: policy.Hidden(policy.When(ever, policy.Any(p))), hidden: true},
			} {
				v := policy.Ask(tc.policy, newRequest())
				cause, ok := v.Cause().(*policy.PanicError)
				if v.Allowed() || v.Status() != 500 || v.Slug() != "internal_error" || v.Hidden() != tc.hidden || v.Policy() != "broken" {
					t.Errorf("%s: %v of %q, hidden %v", name, v, v.Policy(), v.Hidden())
				}
				if !ok || cause.Value != value || len(cause.Stack) == 0 {
					t.Errorf("%s: cause %v, want the panic", name, v.Cause())
				}
			}
		}
		bare := policy.Func(func(*http.Request) policy.Verdict { panic(value) })
		if v := policy.Hidden(bare).Judge(newRequest()); v.Allowed() || !v.Hidden() || v.Slug() != "internal_error" {
			t.Errorf("Hidden alone: %v, hidden %v", v, v.Hidden())
		}
		if v := policy.Any(panics, always(allowed)).Judge(newRequest()); !v.Allowed() {
			t.Errorf("the other alternative was not asked: %v", v)
		}
	}
}
