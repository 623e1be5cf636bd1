package policy_test

import (
	"context"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
)

// chair is a seat that does nothing.
type chair struct{ number int }

func (*chair) Take(context.Context) (bool, error) { return true, nil }
func (*chair) Give()                              {}

// What a live connection is given comes out as it went in: in order, and each kind by itself.
func TestWithTagExpirySeat(t *testing.T) {
	soon, late := time.Now().Add(time.Hour), time.Now().Add(2*time.Hour)
	first, second := &chair{1}, &chair{2}
	v := policy.Allow().
		WithTag("user", "alice").WithSeat(first).
		WithExpiry(policy.Expiry{At: late, Owner: keyA, Subject: "alice", Tags: []policy.Tag{{Key: "id", Value: "1"}}}).
		WithValue(keyA, 1).WithTag("room", "1").WithHeader("Allow", "GET").
		WithSeat(second).WithExpiry(policy.Expiry{At: soon, Owner: keyB}).WithTag("room", "2")

	if got, want := slices.Collect(v.Tags()), []policy.Tag{{Key: "user", Value: "alice"}, {Key: "room", Value: "1"}, {Key: "room", Value: "2"}}; !slices.Equal(got, want) {
		t.Errorf("tags %v, want %v", got, want)
	}
	if got, want := slices.Collect(v.Seats()), []policy.Seat{first, second}; !slices.Equal(got, want) {
		t.Errorf("seats %v, want %v", got, want)
	}
	expiries := []policy.Expiry{{At: late, Owner: keyA, Subject: "alice", Tags: []policy.Tag{{Key: "id", Value: "1"}}}, {At: soon, Owner: keyB}}
	if got := slices.Collect(v.Expiries()); !reflect.DeepEqual(got, expiries) {
		t.Errorf("expiries %v, want %v", got, expiries)
	}
	if got := len(fields(v)); got != 1 {
		t.Errorf("%d header fields, want 1", got)
	}
	for range v.Tags() {
		break // a consumer that stops early is not called again; the loop would panic
	}
	for range v.Seats() {
		break
	}
	for range v.Expiries() {
		break
	}
}

// One of them is enough for a verdict to be carried on.
func TestLiveThingsAreBrought(t *testing.T) {
	for name, v := range map[string]policy.Verdict{
		"tag":    policy.Allow().WithTag("", ""),
		"expiry": policy.Allow().WithExpiry(policy.Expiry{At: time.Unix(1, 0), Owner: 0}),
		"seat":   policy.Allow().WithSeat(&chair{}),
	} {
		if !v.Brings() {
			t.Errorf("%s: Brings() = false", name)
		}
	}
	plain := policy.Allow()
	for range plain.Tags() {
		t.Error("a tag out of nowhere")
	}
	for range plain.Expiries() {
		t.Error("an expiry out of nowhere")
	}
	for range plain.Seats() {
		t.Error("a seat out of nowhere")
	}
}

// Two verdicts made from one do not share what was added later.
func TestLiveThingsAreNotShared(t *testing.T) {
	base := policy.Allow().WithTag("a", "0")
	one, two := base.WithTag("a", "1"), base.WithSeat(&chair{})
	if n := len(slices.Collect(two.Tags())); n != 1 {
		t.Errorf("%d tags, want 1", n)
	}
	if n := len(slices.Collect(one.Seats())); n != 0 {
		t.Errorf("%d seats, want none", n)
	}
}

// Only who allowed gives a connection anything: of Any the one that decided, and its denial nothing.
func TestCombinatorsAndLiveThings(t *testing.T) {
	denies := always(policy.Close(codes.Forbidden, "x").WithTag("from", "denial"))
	allows := always(policy.Allow().WithTag("from", "allow"))
	never := always(policy.Allow().WithTag("from", "never asked"))
	for name, p := range map[string]policy.Policy{
		"Any":   policy.Any(denies, allows, never),
		"Named": policy.Named("x", allows),
	} {
		v := p.Judge(newRequest())
		if got := slices.Collect(v.Tags()); !slices.Equal(got, []policy.Tag{{Key: "from", Value: "allow"}}) {
			t.Errorf("%s: tags %v", name, got)
		}
	}
}

func TestLiveThingsPanicOnMistakes(t *testing.T) {
	now := time.Now()
	for _, tc := range []struct {
		name string
		f    func()
		want string
	}{
		{name: "no owner", f: func() { policy.Allow().WithExpiry(policy.Expiry{At: now}) }, want: "policy: WithExpiry: Owner is nil or not comparable"},
		{name: "owner that does not compare", f: func() { policy.Allow().WithExpiry(policy.Expiry{At: now, Owner: []int{1}}) },
			want: "policy: WithExpiry: Owner is nil or not comparable"},
		{name: "no seat", f: func() { policy.Allow().WithSeat(nil) }, want: "policy: WithSeat: the seat is nil"},
	} {
		if got := panicOf(tc.f); got != tc.want {
			t.Errorf("%s: panic %v, want %q", tc.name, got, tc.want)
		}
	}
}
