// Package storm measures servers as wholes in reconnect storms: a process for each library, and the clients in another.
//
// All servers make the same decisions in the same order: maintenance, origin, a rate limit by address, a token; and then refuse with a
// close frame or hold the connection. This library's chain stands beside chains that people build of chi, httprate and jwtauth around
// gorilla/websocket, coder/websocket and gws; beside centrifuge, whose own protocol brings the token in its first message; and beside
// gobwas/ws with every check done by hand, which is the yardstick. Who refuses waits for the client's close frame, for 2 seconds or what
// its library has, on every server but gws's, whose WriteClose closes at once.
//
// Everything is bounded and stays on the loopback device.
package storm

import "github.com/wsverdict/wsverdict/examples/bench/internal/child"

// Roles are what copies of this program do for a storm; see package child.
func Roles() map[string]child.Role { return map[string]child.Role{"storm server": serve} }
