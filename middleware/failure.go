package middleware

import (
	"context"
	"net/http"
	"time"

	"github.com/wsverdict/wsverdict/middleware/internal/within"
)

// A FailureMode says what a policy does when the store that it asks fails: a [Limiter], a
// [SeatStore]. No mode but the one called insecure means unlimited.
type FailureMode uint8

const (
	// FallBackToMemory: this process counts alone, by the same keys and limits.
	FallBackToMemory FailureMode = iota
	// DenyOnFailure: 503 rate_limit_unavailable, or seats_unavailable.
	DenyOnFailure
	// InsecureAllowOnFailure: whoever brings the store down is unlimited.
	InsecureAllowOnFailure
)

// A remote says how a policy asks a store of the user's.
type remote struct {
	guard   *within.Guard // nil for a store of ours, which returns at once
	timeout time.Duration
	mode    FailureMode
	onError func(*http.Request, error)
	scope   string // what the policy calls itself there
}

// defaultTimeout is what a handshake waits for a store. A healthy one answers in a hundredth of
// that.
const defaultTimeout = 250 * time.Millisecond

func newRemote(store any, timeout time.Duration, mode FailureMode, onError func(*http.Request, error), name string, wrong *mistakes) remote {
	if mode > InsecureAllowOnFailure {
		wrong.add("OnFailure is none of the modes")
	}
	if timeout < 0 {
		wrong.add("Timeout is negative")
	}
	if timeout == 0 {
		timeout = defaultTimeout
	}
	if !validRealm(name) {
		wrong.add("Name: %q: want printable ASCII without quotes and backslashes", name)
	}
	var guard *within.Guard
	switch store.(type) {
	case nil, *MemoryLimiter, *MemorySeats, *MemoryTickets:
	default:
		guard = within.NewGuard(0)
	}
	return remote{guard, timeout, mode, onError, name}
}

// ask waits for f no longer than that, and hands to late what f takes afterwards.
func ask[T any](ctx context.Context, m *remote, f func(context.Context) (T, error), late func(T)) (T, error) {
	if m.guard == nil {
		return f(ctx)
	}
	return within.CallLate(ctx, m.guard, m.timeout, f, late)
}

func (m *remote) failed(r *http.Request, err error) {
	if m.onError != nil {
		m.onError(r, err)
	}
}
