package main

import (
	"context"
	"errors"
	"time"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
)

// A fault is what a server does to a client.
type fault struct {
	name string

	// A refusal: who connects is told this, for as long as the fault is watched.
	verdict policy.Verdict

	// A restart: how the server ends. It is up again later.
	end func(ctx context.Context, s *site) error
}

const (
	stopped   = "4401 token_revoked;do=stop"
	limited   = "4429 rate_limited;do=backoff;after=20"
	forbidden = "HTTP status 403"
	shutdown  = "restart in good order"
	crash     = "crash"
)

// limit is the wait that clients are told by the second refusal.
const limit = 20 * time.Second

var refusals = []fault{
	{name: stopped, verdict: policy.Close(codes.Unauthorized, "token_revoked").WithAction(codes.Stop)},
	{name: limited, verdict: policy.Close(codes.TooManyRequests, "rate_limited").WithAfter(limit)},
	{name: forbidden, verdict: policy.Reject(codes.Forbidden, "not_a_member")},
}

var restarts = []fault{
	{name: shutdown, end: func(ctx context.Context, s *site) error {
		ctx, cancel := context.WithTimeout(ctx, 2*graceful) // half of it is for telling
		defer cancel()
		err := s.up.Shutdown(ctx, s.server)
		s.relay.refuse()
		if errors.Is(err, context.DeadlineExceeded) {
			return nil // a browser on a busy machine is cut off: that is how such servers end
		}
		return err
	}},
	{name: crash, end: func(_ context.Context, s *site) error {
		s.relay.refuse()
		s.relay.cut()
		return s.server.Close()
	}},
}

// graceful is over how long a server in good order tells its clients that it ends.
const graceful = time.Second
