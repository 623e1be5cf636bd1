package codes_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/wsverdict/wsverdict/codes"
)

// denials yields every code with every action; an application's own code with statuses of each kind
// that it may declare.
func denials(yield func(codes.Denial) bool) {
	for code := codes.Code(4000); code <= 4999; code++ {
		statuses := []int{400, 401, 403, 408, 429, 499, 500, 503, 504, 599}
		if status, ok := code.Status(); ok {
			statuses = []int{status}
		}
		for _, status := range statuses {
			for _, action := range actions {
				if !yield(codes.Denial{Code: code, Status: status, Reason: codes.NewReason("x", action, 0)}) {
					return
				}
			}
		}
	}
}

var profiles = []struct {
	name    string
	profile codes.Profile
	reading codes.Reading
}{
	{name: "Mirrored", profile: codes.Mirrored, reading: codes.FromMirrored},
	{name: "IANA", profile: codes.IANA, reading: codes.FromIANA},
	{name: "GraphQLTransportWS", profile: codes.GraphQLTransportWS, reading: codes.FromGraphQLTransportWS},
	{name: "Centrifuge", profile: codes.Centrifuge, reading: codes.FromCentrifuge},
	{name: "Pusher", profile: codes.Pusher, reading: codes.FromPusher},
}

func TestProfilesAreTotal(t *testing.T) {
	for _, p := range profiles {
		for d := range denials {
			if got := p.profile(d); !codes.Sendable(got) {
				t.Errorf("%s: %s with %s is %d, which may not be sent", p.name, d.Code, d.Reason, got)
			}
		}
		allocs := testing.AllocsPerRun(100, func() {
			p.profile(codes.Denial{Code: codes.TooManyRequests, Status: 429, Reason: codes.NewReason("x", codes.Backoff, 0)})
		})
		if allocs != 0 {
			t.Errorf("%s: %v allocs, want 0", p.name, allocs)
		}
	}
}

func TestMirrored(t *testing.T) {
	for d := range denials {
		if got := codes.Mirrored(d); got != uint16(d.Code) {
			t.Errorf("%d became %d", d.Code, got)
		}
	}
}

func TestIANA(t *testing.T) {
	const byAction = 0
	tests := []struct {
		status int
		want   uint16 // byAction: see below
	}{
		{status: 400, want: 1008}, {status: 401, want: 3000}, {status: 402, want: 1008}, {status: 403, want: 3003},
		{status: 404, want: 1008}, {status: 406, want: 1008}, {status: 408, want: 3008}, {status: 409, want: 1008},
		{status: 410, want: 1008}, {status: 413, want: 1008}, {status: 426, want: 1008}, {status: 429, want: byAction},
		{status: 451, want: 1008}, {status: 499, want: 1008}, {status: 500, want: 1011}, {status: 502, want: 1011},
		{status: 503, want: byAction}, {status: 504, want: 1011}, {status: 599, want: 1011},
	}
	for _, tc := range tests {
		mirror, _ := codes.FromStatus(tc.status)
		for _, action := range actions {
			want := tc.want
			if want == byAction {
				want = 1013
				if action == codes.Reconnect {
					want = 1012
				}
			}
			// An application's own code speaks by the status that it declares.
			for _, code := range []codes.Code{mirror, 4000, 4999} {
				if got := codes.IANA(codes.Denial{Code: code, Status: tc.status, Reason: codes.NewReason("x", action, 0)}); got != want {
					t.Errorf("code %d, status %d, action %q: %d, want %d", code, tc.status, action, got, want)
				}
			}
		}
	}
}

func TestGraphQLTransportWS(t *testing.T) {
	tests := []struct {
		code                              codes.Code
		stop, refresh, backoff, reconnect uint16
	}{
		{code: codes.BadRequest, stop: 4400, refresh: 4403, backoff: 1013, reconnect: 1012},
		{code: codes.Unauthorized, stop: 4401, refresh: 4403, backoff: 1013, reconnect: 1012},
		{code: codes.Forbidden, stop: 4400, refresh: 4403, backoff: 1013, reconnect: 1012},
		{code: codes.NotFound, stop: 4400, refresh: 4403, backoff: 1013, reconnect: 1012},
		{code: codes.NotAcceptable, stop: 4406, refresh: 4403, backoff: 1013, reconnect: 1012},
		{code: codes.RequestTimeout, stop: 4400, refresh: 4403, backoff: 4408, reconnect: 4408},
		{code: codes.Conflict, stop: 4409, refresh: 4403, backoff: 1013, reconnect: 1012},
		{code: codes.Gone, stop: 4400, refresh: 4403, backoff: 1013, reconnect: 1012},
		{code: codes.TooManyRequests, stop: 4429, refresh: 4403, backoff: 1013, reconnect: 1012},
		{code: codes.InternalServerError, stop: 4500, refresh: 4403, backoff: 1013, reconnect: 1012},
		{code: 4502, stop: 4500, refresh: 4403, backoff: 1013, reconnect: 1012},
		{code: codes.ServiceUnavailable, stop: 4500, refresh: 4403, backoff: 1013, reconnect: 1012},
		{code: codes.GatewayTimeout, stop: 4500, refresh: 4403, backoff: 4504, reconnect: 4504},
	}
	for _, tc := range tests {
		status, _ := tc.code.Status()
		speak := func(do codes.Action) uint16 {
			return codes.GraphQLTransportWS(codes.Denial{Code: tc.code, Status: status, Reason: codes.NewReason("x", do, 0)})
		}
		for action, want := range map[codes.Action]uint16{
			codes.Stop: tc.stop, codes.Refresh: tc.refresh, codes.Backoff: tc.backoff, codes.Reconnect: tc.reconnect,
		} {
			if got := speak(action); got != want {
				t.Errorf("%d with %s: %d, want %d", tc.code, action, got, want)
			}
		}
		// A Reason that leaves the action open means the code's own.
		if got, want := speak(0), speak(tc.code.Action()); got != want {
			t.Errorf("%d without action: %d, want %d as with %s", tc.code, got, want, tc.code.Action())
		}
	}
}

// The protocol's clients know no reasons: whatever the table, a code must make them do what the
// denial says.
func TestGraphQLTransportWSIsActedOnRightly(t *testing.T) {
	fatal := []uint16{4004, 4005, 4400, 4401, 4406, 4409, 4429, 4500}
	retried := []uint16{4403, 4408, 4504, 1001, 1005, 1006, 1012, 1013, 1014}
	for d := range denials {
		got := codes.GraphQLTransportWS(d)
		if _, mirrors := d.Code.Status(); !mirrors {
			if got != uint16(d.Code) {
				t.Errorf("the application's own %d became %d", d.Code, got)
			}
			continue
		}
		action := d.Reason.Action()
		if action == 0 {
			action = d.Code.Action()
		}
		want := retried
		if action == codes.Stop {
			want = fatal
		}
		if !slices.Contains(want, got) {
			t.Errorf("%d with %s became %d, want one of %v", d.Code, action, got, want)
		}
	}
}

func TestCentrifuge(t *testing.T) {
	tests := []struct {
		code                              codes.Code
		status                            int
		stop, refresh, backoff, reconnect uint16
	}{
		{code: codes.BadRequest, stop: 3501, refresh: 3014, backoff: 3011, reconnect: 3011},
		{code: codes.Unauthorized, stop: 3500, refresh: 3014, backoff: 3011, reconnect: 3011},
		{code: codes.Forbidden, stop: 3507, refresh: 3014, backoff: 3011, reconnect: 3011},
		{code: codes.NotFound, stop: 3501, refresh: 3014, backoff: 3011, reconnect: 3011},
		{code: codes.NotAcceptable, stop: 3506, refresh: 3014, backoff: 3011, reconnect: 3011},
		{code: codes.RequestTimeout, stop: 3501, refresh: 3014, backoff: 3011, reconnect: 3011},
		{code: codes.TooManyRequests, stop: 3504, refresh: 3014, backoff: 3013, reconnect: 3013},
		{code: codes.InternalServerError, stop: 3503, refresh: 3014, backoff: 3004, reconnect: 3004},
		{code: codes.ServiceUnavailable, stop: 3503, refresh: 3014, backoff: 3001, reconnect: 3001},
		{code: codes.GatewayTimeout, stop: 3503, refresh: 3014, backoff: 3004, reconnect: 3004},
		{code: 4000, status: 403, stop: 3507, refresh: 3014, backoff: 4000, reconnect: 4000},
		{code: 4399, status: 503, stop: 3503, refresh: 3014, backoff: 4399, reconnect: 4399},
		{code: 4600, status: 403, stop: 4600, refresh: 3014, backoff: 3011, reconnect: 3011},
		{code: 4999, status: 429, stop: 4999, refresh: 3014, backoff: 3013, reconnect: 3013},
	}
	for _, tc := range tests {
		speaks(t, codes.Centrifuge, tc.code, tc.status, tc.stop, tc.refresh, tc.backoff, tc.reconnect)
	}
}

func TestPusher(t *testing.T) {
	tests := []struct {
		code                              codes.Code
		status                            int
		stop, refresh, backoff, reconnect uint16
	}{
		{code: codes.BadRequest, stop: 4003, refresh: 4003, backoff: 4100, reconnect: 4200},
		{code: codes.Unauthorized, stop: 4009, refresh: 4009, backoff: 4100, reconnect: 4200},
		{code: codes.Forbidden, stop: 4009, refresh: 4009, backoff: 4100, reconnect: 4200},
		{code: codes.NotFound, stop: 4005, refresh: 4005, backoff: 4100, reconnect: 4200},
		{code: codes.NotAcceptable, stop: 4007, refresh: 4007, backoff: 4100, reconnect: 4200},
		{code: codes.Gone, stop: 4005, refresh: 4005, backoff: 4100, reconnect: 4200},
		{code: codes.UpgradeRequired, stop: 4007, refresh: 4007, backoff: 4100, reconnect: 4200},
		{code: codes.TooManyRequests, stop: 4004, refresh: 4004, backoff: 4100, reconnect: 4200},
		{code: codes.ServiceUnavailable, stop: 4003, refresh: 4003, backoff: 4100, reconnect: 4200},
		{code: 4000, status: 403, stop: 4009, refresh: 4009, backoff: 4100, reconnect: 4200}, // 4000 is "come back over TLS"
		{code: 4050, status: 403, stop: 4050, refresh: 4050, backoff: 4100, reconnect: 4200},
		{code: 4150, status: 403, stop: 4009, refresh: 4009, backoff: 4150, reconnect: 4200},
		{code: 4250, status: 403, stop: 4009, refresh: 4009, backoff: 4100, reconnect: 4250},
		{code: 4350, status: 403, stop: 4350, refresh: 4350, backoff: 4100, reconnect: 4200},
		{code: 4600, status: 403, stop: 4600, refresh: 4600, backoff: 4100, reconnect: 4200},
	}
	for _, tc := range tests {
		speaks(t, codes.Pusher, tc.code, tc.status, tc.stop, tc.refresh, tc.backoff, tc.reconnect)
	}
	restart := codes.Denial{Code: codes.ServiceUnavailable, Status: 503, Reason: codes.NewReason("restart", codes.Reconnect, time.Second)}
	if got := codes.Pusher(restart); got != 4100 {
		t.Errorf("a reconnect that is to wait is %d, want 4100: on 4200 everybody comes back at once", got)
	}
}

// speaks holds a profile to what it says for code with each action. A status of 0 is the code's own.
func speaks(t *testing.T, profile codes.Profile, code codes.Code, status int, stop, refresh, backoff, reconnect uint16) {
	t.Helper()
	if status == 0 {
		status, _ = code.Status()
	}
	speak := func(do codes.Action) uint16 {
		return profile(codes.Denial{Code: code, Status: status, Reason: codes.NewReason("x", do, 0)})
	}
	for i, want := range []uint16{stop, refresh, backoff, reconnect} {
		if do := codes.Stop + codes.Action(i); speak(do) != want {
			t.Errorf("%d with %s: %d, want %d", code, do, speak(do), want)
		}
	}
	if got, want := speak(0), speak(code.Action()); got != want {
		t.Errorf("%d without action: %d, want %d as with %s", code, got, want, code.Action())
	}
}

// These clients go by ranges: the code alone must have them stop or come back as the denial says.
func TestRangesAreActedOnRightly(t *testing.T) {
	for d := range denials {
		action := d.Reason.Action()
		if action == 0 {
			action = d.Code.Action()
		}
		if got := codes.Centrifuge(d); (got >= 3500 && got <= 3999 || got >= 4500) != (action == codes.Stop) || got < 3000 {
			t.Errorf("Centrifuge: %d with %s became %d", d.Code, action, got)
		}
		got, retried := codes.Pusher(d), action == codes.Backoff || action == codes.Reconnect
		if (got >= 4100 && got <= 4299) != retried || got <= 4000 {
			t.Errorf("Pusher: %d with %s became %d", d.Code, action, got)
		}
	}
}

func TestSendable(t *testing.T) {
	ranges := []struct {
		from, to uint16
		want     bool
	}{
		{from: 0, to: 999, want: false},
		{from: 1000, to: 1003, want: true},
		{from: 1004, to: 1006, want: false},
		{from: 1007, to: 1014, want: true},
		{from: 1015, to: 2999, want: false},
		{from: 3000, to: 4999, want: true},
		{from: 5000, to: math.MaxUint16, want: false},
	}
	for _, r := range ranges {
		for code := int(r.from); code <= int(r.to); code++ {
			if got := codes.Sendable(uint16(code)); got != r.want {
				t.Errorf("Sendable(%d) = %t, want %t", code, got, r.want)
			}
		}
	}
}
