package policy_test

import (
	"testing"

	"github.com/wsverdict/wsverdict/policy"
)

func TestSubject(t *testing.T) {
	r := newRequest()
	if subject, ok := policy.Subject(r); ok || subject != "" {
		t.Errorf("nobody is %q", subject)
	}
	alice := policy.WithSubject(r, "alice")
	if subject, ok := policy.Subject(alice); !ok || subject != "alice" {
		t.Errorf("got %q, %v, want alice", subject, ok)
	}
	if subject, ok := policy.Subject(policy.WithSubject(alice, "bob")); !ok || subject != "bob" {
		t.Errorf("got %q, %v, want the innermost", subject, ok)
	}
	if subject, ok := policy.Subject(policy.WithSubject(alice, "")); ok || subject != "" {
		t.Errorf("got %q, %v for an empty subject", subject, ok)
	}
	v := policy.Allow().WithSubject("alice")
	if v.Subject() != "alice" || !v.Brings() {
		t.Errorf("subject %q, brings %v", v.Subject(), v.Brings())
	}
	if v := policy.Allow().WithSubject(""); v.Brings() || v.Subject() != "" {
		t.Error("nobody was brought")
	}
}
