package policy_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
)

// An endpoint's function wraps a verdict as it wraps every error, and nothing of it may get lost on the way.
func TestVerdictIsFoundInErrors(t *testing.T) {
	v := policy.Close(codes.Forbidden, "not_a_member").WithCause(io.ErrUnexpectedEOF)
	for _, err := range []error{v, fmt.Errorf("join: %w", v), errors.Join(errCause, v), fmt.Errorf("a: %w", errors.Join(fmt.Errorf("b: %w", v)))} {
		got, ok := errors.AsType[policy.Verdict](err)
		if !ok || got.Code() != codes.Forbidden || got.Slug() != "not_a_member" {
			t.Errorf("%q: found %v, %t", err, got, ok)
		}
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%q: does not unwrap to its cause", err)
		}
	}
	if got := errors.Unwrap(v); got != io.ErrUnexpectedEOF {
		t.Errorf("Unwrap() = %v, want the cause", got)
	}
	if got := errors.Unwrap(policy.Close(codes.Forbidden, "x")); got != nil {
		t.Errorf("Unwrap() = %v without a cause", got)
	}
}

func TestVerdictIs(t *testing.T) {
	v := policy.Close(codes.Forbidden, "not_a_member")
	tests := []struct {
		desc   string
		err    error
		target error
		want   bool
	}{
		{desc: "same", err: v, target: v, want: true},
		{desc: "wrapped", err: fmt.Errorf("join: %w", v), target: v, want: true},
		{desc: "what is particular to one denial does not count", want: true,
			err: v.WithAfter(1e9).WithAction(codes.Refresh).WithCause(errCause).WithDetail("No.").WithHeader("Allow", "GET"), target: v},
		{desc: "another slug", err: v, target: policy.Close(codes.Forbidden, "banned")},
		{desc: "another code", err: v, target: policy.Close(codes.NotFound, "not_a_member")},
		{desc: "another form", err: v, target: policy.Reject(codes.Forbidden, "not_a_member")},
		{desc: "hidden", err: v.Hide(), target: policy.Reject(codes.Forbidden, "not_a_member"), want: true},
		{desc: "zero", err: policy.Verdict{}, target: policy.Verdict{}, want: true},
		{desc: "zero is no denial that somebody decided", err: policy.Close(codes.InternalServerError, "undecided"), target: policy.Verdict{}},
		{desc: "allow", err: policy.Allow(), target: policy.Allow(), want: true},
		{desc: "allow is not zero", err: policy.Allow(), target: policy.Verdict{}},
		{desc: "a verdict behind a verdict", err: policy.Close(codes.GatewayTimeout, "x").WithCause(v), target: v, want: true},
		{desc: "no verdict", err: v, target: errCause},
		{desc: "a pointer is another type", err: v, target: &v},
		{desc: "not a verdict's", err: errCause, target: v},
	}
	for _, tc := range tests {
		if got := errors.Is(tc.err, tc.target); got != tc.want {
			t.Errorf("%s: errors.Is(%q, %q) = %t, want %t", tc.desc, tc.err, tc.target, got, tc.want)
		}
	}
}

// Logs are searched for these words.
func TestVerdictError(t *testing.T) {
	tests := []struct {
		verdict policy.Verdict
		want    string
	}{
		{verdict: policy.Allow(), want: "verdict: allowed"},
		{verdict: policy.Verdict{}, want: "verdict: 4500 Internal Server Error: undecided"},
		{verdict: policy.Close(codes.Forbidden, "banned"), want: "verdict: 4403 Forbidden: banned"},
		{verdict: policy.Reject(4601, "x").WithCause(errCause), want: "verdict: 4601 Application Code: x: cause"},
	}
	for _, tc := range tests {
		if got := tc.verdict.Error(); got != tc.want {
			t.Errorf("Error() = %q, want %q", got, tc.want)
		}
	}
}
