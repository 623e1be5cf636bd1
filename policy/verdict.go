package policy

import (
	"fmt"
	"net/http"
	"time"

	"github.com/wsverdict/wsverdict/codes"
)

// A Verdict is a decision: to allow, to [Close] (a script may know why) or to [Reject] (it may
// not). It is a small value: the methods beginning with With return a changed copy.
//
// The zero Verdict denies with 500: who forgets to decide lets nobody in.
//
// A denial is usable as an error, from an endpoint's function or a session; [errors.As] finds it,
// and it unwraps to its cause. Verdicts do not compare with ==; use the accessors, or [errors.Is],
// which compares form, code and slug.
type Verdict struct {
	_      [0]func() // an allowing verdict may bring things along: == would answer a question nobody asks
	form   form
	flags  flags
	code   codes.Code
	status uint16 // declared by WithStatus; 0 follows from code
	reason codes.Reason
	detail string
	cause  error
	policy string  // set by Named and Any
	brings *bring  // headers of a denial, context values of an allow
	_      [8]byte // to 96: 88 are copied in pieces that overlap, and every copy of a copy waits for that
}

type form uint8

const (
	undecided form = iota
	allow
	closeForm
	rejectForm
)

type flags uint8

const (
	missing flags = 1 << iota // of a denial: no credential was given
	hide                      // of an allow: a denial because of what it brings is hidden
)

var undecidedReason = codes.NewReason("undecided", 0, 0)

// Allow lets the request on to the next link.
func Allow() Verdict { return Verdict{form: allow} }

// Close denies, and a script may know: on a WebSocket handshake the connection is accepted and at
// once closed with code and slug; wherever that cannot be (a plain request, an Origin that was not
// vetted, …) it is the code's HTTP status.
//
// Close panics if code is outside 4000–4999 or slug is not one ([codes.Reason]).
func Close(code codes.Code, slug string) Verdict { return deny(closeForm, code, slug) }

// Reject denies with the code's HTTP status, before any upgrade, always. A browser script sees 1006
// and an empty reason. It panics as [Close] does.
func Reject(code codes.Code, slug string) Verdict { return deny(rejectForm, code, slug) }

func deny(f form, code codes.Code, slug string) Verdict {
	if !code.Valid() {
		panic(fmt.Sprintf("policy: code %d: want 4000-4999 (package codes has names)", code))
	}
	return Verdict{form: f, code: code, reason: codes.NewReason(slug, 0, 0)}
}

// Allowed reports whether v lets the request on.
func (v Verdict) Allowed() bool { return v.form == allow }

// Hidden reports whether v is a denial that scripts must not learn about: a [Reject]. It is true
// for an allow that went through [Verdict.Hide] as well.
func (v Verdict) Hidden() bool { return v.form == rejectForm || v.form == allow && v.flags&hide != 0 }

// IsMissing reports whether v is a denial that went through [Verdict.Missing].
func (v Verdict) IsMissing() bool { return v.form != allow && v.flags&missing != 0 }

// Code returns a denial's code; [codes.InternalServerError] for the zero Verdict, 0 for an allow.
func (v Verdict) Code() codes.Code {
	if v.form == undecided {
		return codes.InternalServerError
	}
	return v.code
}

// Status returns a denial's HTTP status, 400–599: the one declared with [Verdict.WithStatus], else
// the one that the code mirrors, else 403 (an application's own code). It is 0 for an allow.
func (v Verdict) Status() int {
	if v.form == allow {
		return 0
	}
	if v.status != 0 {
		return int(v.status)
	}
	if status, ok := v.Code().Status(); ok {
		return status
	}
	return http.StatusForbidden
}

// Reason returns what a denial tells the client: slug, action (the code's default where none was
// given) and wait. It is the zero Reason for an allow.
func (v Verdict) Reason() codes.Reason {
	r := v.reason
	switch v.form {
	case allow:
		return codes.Reason{}
	case undecided:
		r = undecidedReason.WithAction(r.Action()).WithAfter(r.After())
	}
	if r.Action() == 0 {
		r = r.WithAction(v.Code().Action())
	}
	return r
}

// Slug returns the reason's slug.
func (v Verdict) Slug() string { return v.Reason().Slug() }

// Action returns the reason's action.
func (v Verdict) Action() codes.Action { return v.Reason().Action() }

// After returns how long the client should wait before it tries again, in whole seconds; 0 if that
// is not known.
func (v Verdict) After() time.Duration { return v.Reason().After() }

// Detail returns the sentence for people in a denial's HTTP form: the one given, else the code's
// text.
func (v Verdict) Detail() string {
	if v.detail != "" || v.form == allow {
		return v.detail
	}
	return v.Code().Text()
}

// Cause returns the error behind a denial. It is reported to the Observer and never sent.
func (v Verdict) Cause() error { return v.cause }

// Policy returns the name of the policy that decided, where [Named] gave one or [Any] chose it; ""
// if none did.
func (v Verdict) Policy() string { return v.policy }

// WithAction says what the client should do, instead of the code's default.
func (v Verdict) WithAction(do codes.Action) Verdict {
	v.reason = v.reason.WithAction(do)
	return v
}

// WithAfter says how long the client should wait before it tries again. It is rounded up to whole
// seconds, and cut at [codes.MaxAfter]. On HTTP it is Retry-After.
func (v Verdict) WithAfter(d time.Duration) Verdict {
	v.reason = v.reason.WithAfter(d)
	return v
}

// WithStatus declares the HTTP status of an application's own code. It panics outside 400–599, and
// where the code mirrors another status: the two forms of one denial must not contradict each
// other.
func (v Verdict) WithStatus(status int) Verdict {
	if _, ok := codes.FromStatus(status); !ok {
		panic(fmt.Sprintf("policy: status %d: want 400-599", status))
	}
	if mirrored, ok := v.Code().Status(); ok && mirrored != status {
		panic(fmt.Sprintf("policy: status %d contradicts code %d, which mirrors %d", status, v.Code(), mirrored))
	}
	v.status = uint16(status)
	return v
}

// WithDetail replaces the sentence for people in the HTTP form. It is sent: nothing internal
// belongs into it.
func (v Verdict) WithDetail(sentence string) Verdict {
	v.detail = sentence
	return v
}

// WithCause attaches the error behind a denial. It is reported, never sent.
func (v Verdict) WithCause(err error) Verdict {
	v.cause = err
	return v
}

// Missing marks a denial that means: no credential of the kind that this policy looks at was given.
// In [Any] it loses to every denial of a policy that did look at one, so that a client hears of the
// credential that it has.
func (v Verdict) Missing() Verdict {
	v.flags |= missing
	return v
}

// Hide turns a [Close] into a [Reject] with the same code and slug; the zero Verdict is hidden as
// well. A Reject stays as it is. So does an allow, but if a seat that it brings cannot be had, that
// denial is a Reject.
func (v Verdict) Hide() Verdict {
	switch v.form {
	case allow:
		v.flags |= hide
	case undecided:
		v.code, v.reason, v.form = v.Code(), v.Reason(), rejectForm
	case closeForm:
		v.form = rejectForm
	}
	return v
}

// Error describes v for people and logs, with its cause.
func (v Verdict) Error() string {
	if v.Allowed() {
		return "verdict: allowed"
	}
	s := "verdict: " + v.Code().String() + ": " + v.Slug()
	if v.cause != nil {
		s += ": " + v.cause.Error()
	}
	return s
}

// Unwrap returns the cause.
func (v Verdict) Unwrap() error { return v.cause }

// Is reports whether target is a Verdict of the same outcome: the same form, code and slug.
// [errors.Is] calls it.
func (v Verdict) Is(target error) bool {
	t, ok := target.(Verdict)
	return ok && v.form == t.form && v.Code() == t.Code() && v.Slug() == t.Slug()
}

// weight orders denials for [Any].
func (v Verdict) weight() int {
	switch {
	case v.IsMissing() && !v.Hidden():
		return 0
	case v.IsMissing():
		return 1
	case v.Hidden():
		return 4
	case v.Status() >= 500:
		return 3
	}
	return 2
}
