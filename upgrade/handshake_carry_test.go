package upgrade_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

// An ordinary handler learns what every link in front of it brought, and nothing of those that brought
// nothing or were on trial.
func TestBrought(t *testing.T) {
	up, other := &upgrade.Upgrader{}, &upgrade.Upgrader{}
	bringing := func(subject string) policy.Policy { return always(policy.Allow().WithSubject(subject)) }
	var got []string
	last := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		for v := range upgrade.Brought(r) {
			got = append(got, v.Subject())
		}
		for range upgrade.Brought(r) {
			break // a consumer that stops early is not called again; the loop would panic
		}
	})
	h := wrap(last, up.Use(bringing("outer")), up.Use(always(policy.Allow())), foreign, other.Use(bringing("of another")),
		up.Shadow(bringing("on trial")), up.Use(bringing("inner")))
	h.ServeHTTP(nil, httptest.NewRequest("POST", "/ws", nil))
	if want := []string{"outer", "of another", "inner"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	for range upgrade.Brought(httptest.NewRequest("POST", "/ws", nil)) {
		t.Error("something was brought by nobody")
	}
}
