package policy_test

import (
	"errors"
	"math"
	"net/http"
	"testing"
	"time"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
)

var errCause = errors.New("cause")

func TestVerdictAccessors(t *testing.T) {
	const own codes.Code = 4601
	tests := []struct {
		desc    string
		verdict policy.Verdict
		allowed bool
		hidden  bool
		code    codes.Code
		status  int
		reason  string
		detail  string
	}{
		{desc: "zero: who forgets to decide lets nobody in", verdict: policy.Verdict{},
			code: codes.InternalServerError, status: http.StatusInternalServerError, reason: "undecided;do=backoff", detail: "The server failed."},
		{desc: "allow", verdict: policy.Allow(), allowed: true},
		{desc: "close", verdict: policy.Close(codes.Unauthorized, "token_expired"),
			code: codes.Unauthorized, status: 401, reason: "token_expired;do=refresh", detail: "Valid credentials are required."},
		{desc: "reject", verdict: policy.Reject(codes.Forbidden, "origin"), hidden: true,
			code: codes.Forbidden, status: 403, reason: "origin;do=stop", detail: "Access is not allowed."},
		{desc: "mirrored beyond the catalog", verdict: policy.Close(4502, "upstream"),
			code: 4502, status: 502, reason: "upstream;do=backoff", detail: "The request was refused."},
		{desc: "an application's own code is 403", verdict: policy.Close(own, "room_full"),
			code: own, status: 403, reason: "room_full;do=stop", detail: "The request was refused."},
		{desc: "or what it declares", verdict: policy.Close(own, "room_full").WithStatus(503),
			code: own, status: 503, reason: "room_full;do=stop", detail: "The request was refused."},
		{desc: "the status that is mirrored anyhow", verdict: policy.Close(codes.Gone, "x").WithStatus(410),
			code: codes.Gone, status: 410, reason: "x;do=stop", detail: "This is gone for good."},
		{desc: "action and wait", verdict: policy.Close(codes.Unauthorized, "token_early").WithAction(codes.Backoff).WithAfter(1500 * time.Millisecond),
			code: codes.Unauthorized, status: 401, reason: "token_early;do=backoff;after=2", detail: "Valid credentials are required."},
		{desc: "wait is cut", verdict: policy.Reject(codes.ServiceUnavailable, "x").WithAfter(math.MaxInt64), hidden: true,
			code: codes.ServiceUnavailable, status: 503, reason: "x;do=backoff;after=999999999", detail: "The service is unavailable at the moment."},
		{desc: "detail", verdict: policy.Close(codes.NotFound, "x").WithDetail("No such room."),
			code: codes.NotFound, status: 404, reason: "x;do=stop", detail: "No such room."},
	}
	for _, tc := range tests {
		t.Run(tc.desc, func(t *testing.T) {
			v := tc.verdict
			if v.Allowed() != tc.allowed || v.Hidden() != tc.hidden {
				t.Errorf("allowed %t, hidden %t, want %t, %t", v.Allowed(), v.Hidden(), tc.allowed, tc.hidden)
			}
			if v.Code() != tc.code || v.Status() != tc.status {
				t.Errorf("code %d, status %d, want %d, %d", v.Code(), v.Status(), tc.code, tc.status)
			}
			r := v.Reason()
			if r.String() != tc.reason {
				t.Errorf("reason %q, want %q", r, tc.reason)
			}
			if v.Slug() != r.Slug() || v.Action() != r.Action() || v.After() != r.After() {
				t.Errorf("%q, %s, %v are not the reason's: %q", v.Slug(), v.Action(), v.After(), r)
			}
			if v.Detail() != tc.detail {
				t.Errorf("detail %q, want %q", v.Detail(), tc.detail)
			}
			if v.Cause() != nil || v.Policy() != "" || v.Brings() || fields(v) != nil {
				t.Errorf("cause %v, policy %q, brings %t, fields %v, want none", v.Cause(), v.Policy(), v.Brings(), fields(v))
			}
		})
	}
}

func TestVerdictPanics(t *testing.T) {
	own := policy.Close(4000, "own")
	tests := []struct {
		desc string
		do   func()
		want string // these words are all that a programmer gets to see
	}{
		{desc: "HTTP status as code", do: func() { policy.Close(401, "x") }, want: "policy: code 401: want 4000-4999 (package codes has names)"},
		{desc: "below", do: func() { policy.Reject(3999, "x") }, want: "policy: code 3999: want 4000-4999 (package codes has names)"},
		{desc: "above", do: func() { policy.Close(5000, "x") }, want: "policy: code 5000: want 4000-4999 (package codes has names)"},
		{desc: "sentence as slug of a close", do: func() { policy.Close(codes.Gone, "It is gone") },
			want: `codes: slug "It is gone": want a letter a-z, then at most 63 of a-z, 0-9 and _`},
		{desc: "empty slug of a reject", do: func() { policy.Reject(codes.Gone, "") },
			want: `codes: slug "": want a letter a-z, then at most 63 of a-z, 0-9 and _`},
		{desc: "status of a success", do: func() { own.WithStatus(200) }, want: "policy: status 200: want 400-599"},
		{desc: "status just below", do: func() { own.WithStatus(399) }, want: "policy: status 399: want 400-599"},
		{desc: "status just above", do: func() { own.WithStatus(600) }, want: "policy: status 600: want 400-599"},
		{desc: "contradiction", do: func() { policy.Close(codes.Unauthorized, "x").WithStatus(403) },
			want: "policy: status 403 contradicts code 4401, which mirrors 401"},
		{desc: "contradiction of the zero Verdict", do: func() { policy.Verdict{}.WithStatus(403) },
			want: "policy: status 403 contradicts code 4500, which mirrors 500"},
	}
	for _, tc := range tests {
		if got := panicOf(tc.do); got != tc.want {
			t.Errorf("%s: panic %v, want %q", tc.desc, got, tc.want)
		}
	}
}

func TestHide(t *testing.T) {
	soft := policy.Close(4601, "x").WithStatus(503).WithAction(codes.Backoff).WithAfter(time.Second).WithCause(errCause).
		WithDetail("No.").WithHeader("Allow", "GET")
	hidden := soft.Hide()
	if soft.Hidden() || !hidden.Hidden() || hidden.Allowed() {
		t.Errorf("hidden: %t before, %t after", soft.Hidden(), hidden.Hidden())
	}
	if hidden.Code() != soft.Code() || hidden.Status() != soft.Status() || hidden.Reason() != soft.Reason() ||
		hidden.Cause() != errCause || hidden.Detail() != "No." || len(fields(hidden)) != 1 {
		t.Errorf("Hide changed more than the form: %v, status %d, %q", hidden, hidden.Status(), hidden.Reason())
	}
	if v := policy.Allow().Hide(); !v.Allowed() || !v.Hidden() || policy.Allow().Hidden() {
		t.Error("an allow that was hidden does not say so, or is none any more")
	}
	zero := policy.Verdict{}
	if v := zero.Hide(); !v.Hidden() || v.Code() != zero.Code() || v.Status() != zero.Status() || v.Reason() != zero.Reason() {
		t.Errorf("the zero Verdict hidden is %v, %q", v, v.Reason())
	}
}

// Every method that begins with With leaves its receiver alone, also where copies share what they bring.
func TestVerdictIsAValue(t *testing.T) {
	base := policy.Close(4601, "x").WithHeader("Allow", "GET").WithValue(keyA, 1)
	for name, change := range map[string]func() policy.Verdict{
		"WithAction": func() policy.Verdict { return base.WithAction(codes.Refresh) },
		"WithAfter":  func() policy.Verdict { return base.WithAfter(time.Second) },
		"WithStatus": func() policy.Verdict { return base.WithStatus(404) },
		"WithDetail": func() policy.Verdict { return base.WithDetail("Other.") },
		"WithCause":  func() policy.Verdict { return base.WithCause(errCause) },
		"WithHeader": func() policy.Verdict { return base.WithHeader("Vary", "Origin") },
		"WithValue":  func() policy.Verdict { return base.WithValue(keyA, 2).WithValue(keyB, 3) },
		"Hide":       base.Hide,
	} {
		change()
		if base.Reason() != policy.Close(4601, "x").Reason() || base.Status() != 403 || base.Cause() != nil || base.Hidden() ||
			base.Detail() != codes.Code(4601).Text() || base.Value(keyA) != 1 || base.Value(keyB) != nil || len(fields(base)) != 1 {
			t.Fatalf("%s changed its receiver: %v", name, base)
		}
	}
}

func TestVerdictAllocations(t *testing.T) {
	var v policy.Verdict
	wantNoAllocs(t, "Allow", func() { v = policy.Allow() })
	wantNoAllocs(t, "Close", func() {
		v = policy.Close(codes.Unauthorized, "token_expired").WithAction(codes.Refresh).WithAfter(time.Second).WithCause(errCause)
	})
	wantNoAllocs(t, "Reject", func() { v = policy.Reject(4601, "x").WithStatus(503).WithDetail("No.").Hide() })
	wantNoAllocs(t, "accessors", func() {
		_, _, _, _ = v.Status(), v.Reason(), v.Detail(), v.Brings()
		for range v.Header() {
			t.Error("a header from nowhere")
		}
	})
}
