// Package fleet measures what holds across servers, on a Redis of its own for each run: limiters beside their peers on the same Redis;
// what a handshake costs with limits, seats, bans and maintenance of a fleet, and how many commands; how long it takes until a ban
// that one server is told has ended the connections on all; and what is kept in memory.
//
// Servers are processes of their own ([Roles]); the clients are in this one. Where redis-server is missing there is nothing to measure:
// [Redis] says so.
package fleet

import (
	"github.com/wsverdict/wsverdict/examples/bench/internal/child"
	"github.com/wsverdict/wsverdict/examples/internal/redisserver"
)

// Roles are what copies of this program do for a fleet; see package child.
func Roles() map[string]child.Role { return map[string]child.Role{"fleet server": serve} }

// Redis is the version of the one that is used. The error says what to install.
func Redis() (version string, err error) { return redisserver.Version() }
