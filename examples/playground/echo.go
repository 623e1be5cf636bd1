package main

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

const (
	sessionTime     = time.Minute
	sessionMessages = 100
)

var idle = policy.Close(codes.RequestTimeout, "idle")

// echo is the endpoint: a room that says what is said. A session is bounded in time and in what it reads.
func echo(*http.Request) (upgrade.Session, error) {
	return func(ctx context.Context, c *upgrade.Conn) error {
		ctx, cancel := context.WithTimeout(ctx, sessionTime)
		defer cancel()
		var buf []byte
		for range sessionMessages {
			typ, message, err := c.Read(ctx, buf)
			if errors.Is(err, context.DeadlineExceeded) {
				return idle
			}
			if err != nil {
				return err // it has been closed, by whomever: there is nothing to add
			}
			buf = message
			if err := c.Write(ctx, typ, message); err != nil {
				return err
			}
		}
		return nil
	}, nil
}
