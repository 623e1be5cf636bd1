package main

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/gobwas/ws/wsutil"

	"github.com/wsverdict/wsverdict/upgrade"
)

const (
	sessionTime  = time.Minute
	sessionBytes = 64 << 10
)

// echo is the endpoint: a room that says what is said. A session is bounded in time and in what it reads.
func echo(*http.Request) (upgrade.Session, error) {
	return func(_ context.Context, c *upgrade.Conn) error {
		conn := c.NetConn()
		if err := conn.SetDeadline(time.Now().Add(sessionTime)); err != nil {
			return err
		}
		client := struct {
			io.Reader
			io.Writer
		}{io.LimitReader(conn, sessionBytes), conn}
		for {
			// Pings and the client's close frame are answered in here.
			message, op, err := wsutil.ReadClientData(client)
			if err != nil {
				return err // the client closed, or is gone: there is nothing to add
			}
			if err := wsutil.WriteServerMessage(conn, op, message); err != nil {
				return err
			}
		}
	}, nil
}
