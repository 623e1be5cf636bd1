package main

import (
	"context"
	"net/http"
	"time"

	"github.com/wsverdict/wsverdict/middleware"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

// A message is what a page sends: a "note" with a text for everybody, or a new "token" in place of
// the one that ends.
type message struct{ Type, Text, Token string }

// An event is what a page is told.
type event struct {
	Type    string             `json:"type"`
	User    string             `json:"user,omitempty"`
	Role    string             `json:"role,omitempty"`
	Text    string             `json:"text,omitempty"`
	Figures map[string]float64 `json:"figures,omitempty"`
	Until   *time.Time         `json:"until,omitempty"` // when the connection ends, unless it is renewed
}

// A session is what one connection needs: the request is gone by then.
type session struct {
	*dashboard
	user    string
	account Account
	sent    *middleware.MessageRate
}

func (d *dashboard) session(r *http.Request) (upgrade.Session, error) {
	user, _ := policy.Subject(r)
	sent, err := d.messages.Messages(r)
	return session{d, user, d.account(r), sent}.run, err
}

func (s session) run(ctx context.Context, c *upgrade.Conn) error {
	c.BeforeExpiry(30*time.Second, func(at time.Time) { c.SendJSON(event{Type: "expiring", Until: &at}) })
	err := s.welcome(c)
	for err == nil {
		err = s.receive(ctx, c)
	}
	return err // a Verdict closes with its code
}

func (s session) receive(ctx context.Context, c *upgrade.Conn) error {
	var m message
	if err := c.ReadJSON(ctx, &m); err != nil { // 4400 for what is no JSON
		return err
	}
	if err := s.sent.Take(ctx, 1); err != nil { // 4429, and when to come back
		return err
	}
	switch m.Type {
	case "note":
		_, err := s.up.BroadcastJSON(event{Type: "note", User: s.user, Text: m.Text}, tenantTag(s.account.Tenant))
		return err
	case "token":
		claims, err := s.users.Renew(ctx, c, m.Token)
		if err != nil {
			return err
		}
		if claims.Account != s.account { // the chain has judged another one
			return accountChanged
		}
		return c.SendJSON(event{Type: "renewed", Until: &claims.ExpiresAt.Time})
	default:
		return unknownMessage
	}
}
