// Package broadcast measures servers that send the same message to thousands of connections, a tenth of whose clients do not read: a
// process for each library, and the clients in another.
//
// This library's Prepare and BroadcastAll stand beside gorilla/websocket's PreparedMessage in the hub that people build around it (a
// channel of 256 messages and two goroutines for each client; who is behind that far is closed), gws' Broadcaster, and melody, with
// everybody's defaults. Everything stays on the loopback device, where sockets hold megabytes for a client that does not read; so that the
// libraries are measured and not these, every server's have the size that they have on a network.
package broadcast

import "github.com/wsverdict/wsverdict/examples/bench/internal/child"

// Roles are what copies of this program do for a broadcast; see package child.
func Roles() map[string]child.Role { return map[string]child.Role{"broadcast server": serve} }
