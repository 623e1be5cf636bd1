package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/wsverdict/wsverdict/upgrade"
)

// As much of each protocol as its client needs to connect, and to say a number. What is not
// understood is passed over.

// speakPlain: a message is a number.
func speakPlain(said func(int)) upgrade.Session {
	return func(ctx context.Context, c *upgrade.Conn) error {
		for {
			_, message, err := c.Read(ctx, nil)
			if err != nil {
				return err
			}
			if number, err := strconv.Atoi(string(message)); err == nil {
				said(number)
			}
		}
	}
}

// speakGraphQL is graphql-transport-ws: a mutation with a variable.
func speakGraphQL(said func(int)) upgrade.Session {
	return func(ctx context.Context, c *upgrade.Conn) error {
		for {
			var m struct {
				ID, Type string
				Payload  struct{ Variables struct{ Number int } }
			}
			if err := c.ReadJSON(ctx, &m); err != nil {
				return err
			}
			var answers []string
			switch m.Type {
			case "connection_init":
				answers = []string{`{"type":"connection_ack"}`}
			case "ping":
				answers = []string{`{"type":"pong"}`}
			case "subscribe":
				number := m.Payload.Variables.Number
				said(number)
				answers = []string{
					fmt.Sprintf(`{"id":%q,"type":"next","payload":{"data":{"say":%d}}}`, m.ID, number),
					fmt.Sprintf(`{"id":%q,"type":"complete"}`, m.ID),
				}
			}
			for _, a := range answers {
				if err := c.Write(ctx, upgrade.Text, []byte(a)); err != nil {
					return err
				}
			}
		}
	}
}

// speakCentrifuge is Centrifugal's JSON protocol: a publication. A message holds commands, a line
// each.
func speakCentrifuge(said func(int)) upgrade.Session {
	return func(ctx context.Context, c *upgrade.Conn) error {
		for {
			_, message, err := c.Read(ctx, nil)
			if err != nil {
				return err
			}
			for commands := json.NewDecoder(bytes.NewReader(message)); commands.More(); {
				var m struct {
					ID      int
					Connect *struct{}
					Publish *struct{ Data struct{ Number int } }
				}
				if err := commands.Decode(&m); err != nil {
					return err
				}
				answer := ""
				switch {
				case m.Connect != nil:
					answer = fmt.Sprintf(`{"id":%d,"connect":{"client":"c","version":"compare"}}`, m.ID)
				case m.Publish != nil:
					said(m.Publish.Data.Number)
					answer = fmt.Sprintf(`{"id":%d,"publish":{}}`, m.ID)
				default:
					continue
				}
				if err := c.Write(ctx, upgrade.Text, []byte(answer)); err != nil {
					return err
				}
			}
		}
	}
}

const engineOpen = `0{"sid":"e","upgrades":[],"pingInterval":600000,"pingTimeout":20000,"maxPayload":1000000}`

// speakSocketIO is Engine.IO 4 over WebSocket, and Socket.IO 5 in it: an event.
func speakSocketIO(said func(int)) upgrade.Session {
	return socketIO(`40{"sid":"s"}`, said)
}

// refuseSocketIO refuses as Socket.IO servers do: after the upgrade, in a packet of their own.
func refuseSocketIO(said func(int)) upgrade.Session {
	return socketIO(`44{"message":"token_revoked"}`, said)
}

func socketIO(answer string, said func(int)) upgrade.Session {
	return func(ctx context.Context, c *upgrade.Conn) error {
		if err := c.Write(ctx, upgrade.Text, []byte(engineOpen)); err != nil {
			return err
		}
		for {
			_, message, err := c.Read(ctx, nil)
			if err != nil {
				return err
			}
			if bytes.HasPrefix(message, []byte("40")) {
				if err := c.Write(ctx, upgrade.Text, []byte(answer)); err != nil {
					return err
				}
			}
			event, found := bytes.CutPrefix(message, []byte(`42["say",`))
			if !found {
				continue
			}
			if number, err := strconv.Atoi(string(bytes.TrimSuffix(event, []byte("]")))); err == nil {
				said(number)
			}
		}
	}
}
