// Package upgradetest is for tests of policies and of sessions. What it makes is real: an HTTP
// server, a handshake, and a client that reads what is on the wire, so that a test sees what a browser
// would see. docs/testing.md is a guide.
//
// # A policy
//
// A policy is tested by calling it: Judge returns a value. [Judge], the function, sends a request
// through a chain and shows both faces of the answer, the close frame and the status; a [Recorder]
// has what an Observer was told.
//
// # A session
//
// [Open] connects a client to an endpoint. [Pair] gives the [upgrade.Conn] of a connection to the test
// itself, for functions that take one.
//
// # Time
//
// [Open], [Pair] and [Judge] connect in memory, without a socket, and work in a bubble of
// testing/synctest, where an hour passes as soon as everybody waits for it: a token that expires, a
// ping that is not answered, an end that is spread over a minute. [Serve] and [Dial] are over a
// socket, for what only a network shows. They do not work in a bubble.
//
// # HTTP/2
//
// [HTTP2] runs a package's tests where WebSocket over HTTP/2 is spoken; [ServeHTTP2] and [DialHTTP2]
// do what Serve and Dial do.
//
// All of it is closed when the test ends, and whatever waits gives up after [Patience].
package upgradetest
