package upgrade_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

func membersOnly(*http.Request) policy.Verdict {
	return policy.Close(codes.Forbidden, "not_a_member").WithCause(errSecret)
}

var errSecret = errors.New("secret")

// Every way that a verdict can end in, as the Observer is told of it.
func TestOutcomes(t *testing.T) {
	const name = "upgrade_test.membersOnly"
	for _, tc := range []struct {
		name    string
		up      *upgrade.Upgrader // nil: the zero value
		policy  policy.Policy     // nil: the endpoint alone
		outer   func(http.Handler) http.Handler
		changes []string
		policed string
		want    upgrade.Event
	}{
		{name: "admitted", policed: "endpoint", want: upgrade.Event{Outcome: upgrade.Admitted, Status: 101}},
		{name: "closed", policy: policy.Func(membersOnly), policed: name,
			want: upgrade.Event{Outcome: upgrade.Closed, Status: 101, CloseCode: 4403}},
		{name: "closed, named", policy: policy.Named("members", policy.Func(membersOnly)), policed: "members",
			want: upgrade.Event{Outcome: upgrade.Closed, Status: 101, CloseCode: 4403}},
		{name: "the name of the one that decided", policy: policy.Any(policy.Named("members", policy.Func(membersOnly))), policed: "members",
			want: upgrade.Event{Outcome: upgrade.Closed, Status: 101, CloseCode: 4403}},
		{name: "after the profile", up: &upgrade.Upgrader{Profile: codes.IANA}, policy: policy.Func(membersOnly), policed: name,
			want: upgrade.Event{Outcome: upgrade.Closed, Status: 101, CloseCode: 3003}},
		{name: "a profile's code that may not be sent", up: &upgrade.Upgrader{Profile: func(codes.Denial) uint16 { return 1006 }},
			policy: policy.Func(membersOnly), policed: name, want: upgrade.Event{Outcome: upgrade.Closed, Status: 101, CloseCode: 4403}},
		{name: "a profile that panics", up: &upgrade.Upgrader{Profile: func(codes.Denial) uint16 { panic("profile") }},
			policy: policy.Func(membersOnly), policed: name, want: upgrade.Event{Outcome: upgrade.Closed, Status: 101, CloseCode: 4403}},
		{name: "hidden", policy: policy.Func(func(r *http.Request) policy.Verdict { return membersOnly(r).Hide() }),
			policed: "upgrade_test.TestOutcomes.func3",
			want:    upgrade.Event{Outcome: upgrade.Answered, Why: upgrade.WhyHidden, Status: 403}},
		{name: "plain request", policy: policy.Func(membersOnly), changes: []string{"-Upgrade"}, policed: name,
			want: upgrade.Event{Outcome: upgrade.Answered, Why: upgrade.WhyNoHandshake, Status: 403}},
		{name: "cross-site", policy: policy.Func(membersOnly), changes: []string{"Origin: https://evil.example"}, policed: name,
			want: upgrade.Event{Outcome: upgrade.Answered, Why: upgrade.WhyOrigin, Status: 403, Err: &upgrade.OriginError{}}},
		{name: "no subprotocol in common", policy: policy.Func(membersOnly), changes: []string{"+Sec-WebSocket-Protocol: a"}, policed: name,
			want: upgrade.Event{Outcome: upgrade.Answered, Why: upgrade.WhySubprotocol, Status: 403}},
		{name: "no browser", up: &upgrade.Upgrader{StatusWithoutOrigin: true}, policy: policy.Func(membersOnly), changes: []string{"-Origin"},
			policed: name, want: upgrade.Event{Outcome: upgrade.Answered, Why: upgrade.WhyNoOrigin, Status: 403}},
		{name: "a browser", up: &upgrade.Upgrader{StatusWithoutOrigin: true}, policy: policy.Func(membersOnly), policed: name,
			want: upgrade.Event{Outcome: upgrade.Closed, Status: 101, CloseCode: 4403}},
		{name: "no browser, admitted", up: &upgrade.Upgrader{StatusWithoutOrigin: true}, changes: []string{"-Origin"}, policed: "endpoint",
			want: upgrade.Event{Outcome: upgrade.Admitted, Status: 101}},
		{name: "never a close frame", up: &upgrade.Upgrader{MaxLingering: -1}, policy: policy.Func(membersOnly), policed: name,
			want: upgrade.Event{Outcome: upgrade.Answered, Why: upgrade.WhyBudget, Status: 403}},
		{name: "never a close frame, admitted", up: &upgrade.Upgrader{MaxLingering: -1}, policed: "endpoint",
			want: upgrade.Event{Outcome: upgrade.Admitted, Status: 101}},
		{name: "no Hijacker", outer: opaque, policy: policy.Func(membersOnly), policed: name,
			want: upgrade.Event{Outcome: upgrade.Answered, Why: upgrade.WhyHijack, Status: 403, Err: http.ErrNotSupported}},
		{name: "no Hijacker, admitted", outer: opaque, policed: "endpoint",
			want: upgrade.Event{Outcome: upgrade.Answered, Why: upgrade.WhyHijack, Status: 500, Err: http.ErrNotSupported}},
		{name: "lost", outer: hijacker(brokenPipe), policy: policy.Func(membersOnly), policed: name,
			want: upgrade.Event{Outcome: upgrade.Lost, Status: 101, CloseCode: 4403, Err: errBroken}},
		{name: "lost, admitted", outer: hijacker(brokenPipe), policed: "endpoint",
			want: upgrade.Event{Outcome: upgrade.Lost, Status: 101, Err: errBroken}},
		{name: "own check of the handshake", changes: []string{"-Sec-WebSocket-Key"}, policed: "handshake",
			want: upgrade.Event{Outcome: upgrade.Answered, Why: upgrade.WhyNoHandshake, Status: 400}},
		{name: "own check of the origin", changes: []string{"Origin: https://evil.example"}, policed: "origin",
			want: upgrade.Event{Outcome: upgrade.Answered, Why: upgrade.WhyOrigin, Status: 403}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			events := newRecorder()
			if tc.up == nil {
				tc.up = &upgrade.Upgrader{}
			}
			tc.up.Observer = events
			h := tc.up.Handler(run(idle))
			if tc.policy != nil {
				h = tc.up.Use(tc.policy)(forbidden(t))
			}
			if tc.outer != nil {
				h = tc.outer(h)
			}
			dial(t, newServer(t, h)).send(request(tc.changes...))
			got := events.Next(t)
			if got.Policy != tc.policed || got.Outcome != tc.want.Outcome || got.Why != tc.want.Why || got.Status != tc.want.Status ||
				got.CloseCode != tc.want.CloseCode || !sameError(got.Err, tc.want.Err) || got.Kind != upgrade.Settled {
				t.Errorf("got %q %+v", got.Policy, got)
			}
			if got.Duration <= 0 {
				t.Errorf("took %v", got.Duration)
			}
			if tc.policy != nil && (!errors.Is(got.Verdict.Cause(), errSecret) || got.Verdict.Slug() != "not_a_member") {
				t.Errorf("got verdict %v", got.Verdict)
			}
		})
	}
}

// A policy on trial is reported and changes nothing, whatever it says or does.
func TestShadow(t *testing.T) {
	for name, p := range map[string]policy.Policy{
		"allow": always(policy.Allow()), "close": always(expired), "reject": always(expired.Hide()), "zero": always(policy.Verdict{}),
		"panic": policy.Func(func(*http.Request) policy.Verdict { panic("shadow") }),
	} {
		t.Run(name, func(t *testing.T) {
			events := newRecorder()
			up := &upgrade.Upgrader{Observer: events}
			h := up.Shadow(policy.Named("trial", p))(up.Handler(run(idle)))
			c, res := handshake(t, newServer(t, h))
			wantStatus(t, res, 101)
			c.wantClose(1000, "")
			c.bye()
			e := events.Next(t)
			if e.Kind != upgrade.Shadowed || e.Policy != "trial" || e.Outcome != 0 || e.Status != 0 || e.Duration <= 0 || e.Verdict.Allowed() != (name == "allow") {
				t.Errorf("got %+v", e)
			}
			if e = events.Next(t); e.Outcome != upgrade.Admitted {
				t.Errorf("got %+v", e)
			}
		})
	}
}

func TestObserverPanics(t *testing.T) {
	up := &upgrade.Upgrader{Observer: upgrade.ObserverFunc(func(upgrade.Event) { panic("observer") })}
	c, res := handshake(t, newServer(t, up.Shadow(always(expired))(up.Handler(run(func(context.Context, *upgrade.Conn) error { panic("session") })))))
	wantStatus(t, res, 101)
	c.wantClose(1011, "internal_error;do=backoff")
	c.bye()
	c, res = handshake(t, newServer(t, up.Use(always(expired))(forbidden(t))))
	wantStatus(t, res, 101)
	c.wantClose(4401, expiredText)
	c.bye()
}

func TestEventWords(t *testing.T) {
	for want, got := range map[string]string{
		"settled": upgrade.Settled.String(), "panicked": upgrade.Panicked.String(), "admitted": upgrade.Admitted.String(),
		"lost": upgrade.Lost.String(), "hidden": upgrade.WhyHidden.String(), "hijack": upgrade.WhyHijack.String(),
		"": upgrade.Why(0).String(), "unknown": upgrade.Outcome(99).String(),
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// sameError goes by the type where it says more than the value.
func sameError(got, want error) bool {
	var foreign *upgrade.OriginError
	if errors.As(want, &foreign) {
		return errors.As(got, &foreign)
	}
	return errors.Is(got, want)
}
