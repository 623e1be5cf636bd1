package main

import (
	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/upgrade"
)

// A client is one of page/clients.js.
type client struct {
	name        string // there
	pkg         string // the npm package, where that is not the name
	profile     codes.Profile
	subprotocol string
	speak       func(said func(number int)) upgrade.Session // the server's half of its protocol
	only        []string                                    // the faults that it meets; nil for all
}

const (
	ours      = "wsverdict"
	ownPacket = "socket.io-client, its own packet"
)

var clients = []client{
	{name: ours, subprotocol: "chat.v1", speak: speakPlain},
	{name: "wsverdict, explain", pkg: ours, subprotocol: "chat.v1", speak: speakPlain, only: []string{forbidden}},
	{name: "reconnecting-websocket", subprotocol: "chat.v1", speak: speakPlain},
	{name: "partysocket", subprotocol: "chat.v1", speak: speakPlain},
	{name: "graphql-ws", profile: codes.GraphQLTransportWS, subprotocol: "graphql-transport-ws", speak: speakGraphQL},
	{name: "graphql-ws, shouldRetry", pkg: "graphql-ws", profile: codes.GraphQLTransportWS, subprotocol: "graphql-transport-ws", speak: speakGraphQL},
	{name: "centrifuge", profile: codes.Centrifuge, speak: speakCentrifuge},
	{name: "socket.io-client", speak: speakSocketIO},
	{name: ownPacket, pkg: "socket.io-client", speak: refuseSocketIO, only: []string{stopped}},
}
