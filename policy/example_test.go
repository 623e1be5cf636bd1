package policy_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
)

type userKey struct{}

// roomMembers is a custom policy: it decides and writes nothing.
func roomMembers(r *http.Request) policy.Verdict {
	user, ok := r.Context().Value(userKey{}).(string)
	switch {
	case !ok:
		return policy.Close(codes.Unauthorized, "no_user")
	case r.PathValue("room") == "lobby" || user == "alice":
		return policy.Allow()
	}
	return policy.Close(codes.Forbidden, "not_a_member")
}

// A custom policy is tested by calling it: no server, no socket.
func ExampleFunc() {
	judge := func(user, room string) policy.Verdict {
		r := httptest.NewRequest(http.MethodGet, "/ws/rooms/"+room, nil)
		r.SetPathValue("room", room)
		if user != "" {
			r = r.WithContext(context.WithValue(r.Context(), userKey{}, user))
		}
		return policy.Func(roomMembers).Judge(r)
	}
	fmt.Println("alice:", judge("alice", "board").Allowed())
	v := judge("bob", "board")
	fmt.Println("bob:", v.Allowed(), v.Code(), v.Slug(), v.Action())
	fmt.Println("nobody:", judge("", "board").Reason())
	// Output:
	// alice: true
	// bob: false 4403 Forbidden not_a_member stop
	// nobody: no_user;do=refresh
}

// A member or an administrator. If neither, the answer is that of the one who could not decide: the client may be let in
// when that has been mended.
func ExampleAny() {
	admins := policy.Func(func(r *http.Request) policy.Verdict {
		if r.URL.Query().Has("root") {
			return policy.Allow()
		}
		return policy.Close(codes.Forbidden, "not_an_admin")
	})
	members := policy.Func(func(r *http.Request) policy.Verdict {
		return policy.Close(codes.ServiceUnavailable, "members_unavailable").WithAfter(5 * time.Second)
	})
	p := policy.Any(admins, members)

	fmt.Println(p.Judge(httptest.NewRequest(http.MethodGet, "/?root", nil)).Allowed())
	fmt.Println(p.Judge(httptest.NewRequest(http.MethodGet, "/", nil)).Reason())
	// Output:
	// true
	// members_unavailable;do=backoff;after=5
}

// The wrong use: a condition that the client chooses is a way around the policy.
func ExampleWhen_wrong() {
	tokens := policy.Func(func(*http.Request) policy.Verdict { return policy.Close(codes.Unauthorized, "token_missing") })
	external := func(r *http.Request) bool { return r.Header.Get("X-Internal") == "" }
	p := policy.When(external, tokens)

	attack := httptest.NewRequest(http.MethodGet, "/", nil)
	attack.Header.Set("X-Internal", "trust me")
	fmt.Println("let in:", p.Judge(attack).Allowed())
	// Output: let in: true
}

// The zero Verdict denies: a branch that forgot to decide lets nobody in.
func ExampleVerdict_zero() {
	var v policy.Verdict
	fmt.Println(v.Allowed(), v.Status(), v.Reason())
	// Output: false 500 undecided;do=backoff
}

// A verdict passes through functions that know errors alone.
func ExampleVerdict_Error() {
	banned := policy.Close(codes.Forbidden, "banned")
	err := fmt.Errorf("joining lobby: %w", banned.WithCause(errors.New("user 7 is on the list")))

	fmt.Println(err)
	fmt.Println(errors.Is(err, banned))
	if v, ok := errors.AsType[policy.Verdict](err); ok {
		fmt.Println("sent:", uint16(v.Code()), v.Reason())
	}
	// Output:
	// joining lobby: verdict: 4403 Forbidden: banned: user 7 is on the list
	// true
	// sent: 4403 banned;do=stop
}
