package policy

import (
	"context"
	"net/http"
)

type subjectKey struct{}

// WithSubject brings along who this is: a user, a service, the owner of an API key. Later policies,
// key functions and the endpoint learn it from [Subject], whichever policy it was that found it
// out. An empty subject is nobody, and changes nothing.
func (v Verdict) WithSubject(subject string) Verdict {
	if subject == "" {
		return v
	}
	return v.WithValue(subjectKey{}, subject)
}

// Subject returns the subject that v brings along, "" for none.
func (v Verdict) Subject() string {
	subject, _ := v.Value(subjectKey{}).(string)
	return subject
}

// Subject returns who the request is from: what an allowing verdict further out said with
// [Verdict.WithSubject], the innermost if several did. ok is false if none did; subject is then "".
func Subject(r *http.Request) (subject string, ok bool) {
	subject, _ = r.Context().Value(subjectKey{}).(string)
	return subject, subject != ""
}

// WithSubject returns a copy of r for which [Subject] returns subject: for tests of what stands
// behind the policy that finds it out.
func WithSubject(r *http.Request, subject string) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), subjectKey{}, subject))
}
