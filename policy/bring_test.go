package policy_test

import (
	"reflect"
	"testing"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
)

type key string

const (
	keyA key = "a"
	keyB key = "b"
)

func TestWithValue(t *testing.T) {
	v := policy.Allow().WithValue(keyA, 1).WithHeader("Allow", "GET").WithValue(keyB, 2).WithValue(keyA, 3)
	for _, tc := range []struct {
		desc string
		key  any
		want any
	}{
		{desc: "the last of several", key: keyA, want: 3},
		{desc: "behind others", key: keyB, want: 2},
		{desc: "never brought", key: key("c"), want: nil},
		{desc: "same text, another type", key: "a", want: nil},
		{desc: "a header is no value", key: "Allow", want: nil},
		{desc: "nil", key: nil, want: nil},
		{desc: "not comparable", key: []int{1}, want: nil},
	} {
		if got := v.Value(tc.key); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.desc, got, tc.want)
		}
	}
	if !v.Brings() {
		t.Error("Brings() = false for a verdict with values")
	}
	// A verdict without values costs no context: headers are none.
	if policy.Close(codes.Gone, "x").WithHeader("Allow", "GET").Brings() {
		t.Error("Brings() = true for a verdict with a header alone")
	}
}

func TestWithValuePanicsOnBadKey(t *testing.T) {
	for _, bad := range []any{nil, []int{1}, map[string]int{}, func() {}, struct{ s []int }{}} {
		want := "policy: WithValue: key is nil or not comparable"
		if got := panicOf(func() { policy.Allow().WithValue(bad, 1) }); got != want {
			t.Errorf("key %T: panic %v, want %q", bad, got, want)
		}
	}
}

func TestWithHeader(t *testing.T) {
	v := policy.Close(codes.Unauthorized, "x").WithHeader("Www-Authenticate", "Basic").WithValue(keyA, 1).
		WithHeader("Vary", "Origin").WithHeader("Www-Authenticate", "Bearer")
	want := []field{{"Www-Authenticate", "Basic"}, {"Vary", "Origin"}, {"Www-Authenticate", "Bearer"}}
	if got := fields(v); !reflect.DeepEqual(got, want) {
		t.Errorf("fields %v, want them in order: %v", got, want)
	}
	for range v.Header() {
		break // a consumer that stops early is not called again; the loop would panic
	}
}

// A name may be written as the RFCs have it: in a branch that is rarely taken it must not be a panic.
func TestWithHeaderCanonicalises(t *testing.T) {
	for _, name := range []string{"WWW-Authenticate", "www-authenticate", "Www-Authenticate"} {
		if got := fields(policy.Reject(codes.Unauthorized, "x").WithHeader(name, "Bearer")); !reflect.DeepEqual(got, []field{{"Www-Authenticate", "Bearer"}}) {
			t.Errorf("%s: %v", name, got)
		}
	}
	for _, name := range []string{"", "WWW Authenticate", "X:", "X\r\nY", "Ü"} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%q was taken", name)
				}
			}()
			policy.Allow().WithHeader(name, "x")
		}()
	}
}

// Two verdicts made from one must not write into each other's list.
func TestBringsAreNotShared(t *testing.T) {
	base := policy.Allow().WithValue(keyA, 0)
	one, two := base.WithValue(keyB, 1), base.WithValue(keyB, 2)
	if one.Value(keyB) != 1 || two.Value(keyB) != 2 || base.Value(keyB) != nil {
		t.Errorf("one %v, two %v, base %v, want 1, 2, nil", one.Value(keyB), two.Value(keyB), base.Value(keyB))
	}
}
