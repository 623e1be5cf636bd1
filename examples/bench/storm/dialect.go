package storm

import (
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

// A dialect is how the clients that people use with a library come back after they lost their connection.
type dialect struct {
	name     string
	connects bool // the token travels in a message: centrifuge's
	// wait is how long a client waits before its next attempt, when so many have failed since it was connected; temper is a
	// number below 1 that the client drew once, and reason is that of the close frame, "" for none.
	wait func(temper float64, failed int, reason string) time.Duration
}

// obedient clients do what the reason says: docs/choosing.md has them in full.
var obedient = dialect{name: "obeys the reason (docs/choosing.md)", wait: func(_ float64, failed int, reason string) time.Duration {
	spread := float64(min(time.Minute, time.Second<<min(failed, 6)))
	action, after := "backoff", time.Duration(0)
	for param := range strings.SplitSeq(reason, ";") {
		switch key, value, _ := strings.Cut(param, "="); key {
		case "do":
			action = value
		case "after":
			seconds, _ := strconv.Atoi(value)
			after = time.Duration(seconds) * time.Second
		}
	}
	if action == "backoff" {
		return after + time.Duration(spread/2+rand.Float64()*spread/2)
	}
	return after + time.Duration(rand.Float64()*spread)
}}

// widespread is npm's reconnecting-websocket at its defaults: the other libraries have no client of their own for browsers.
var widespread = dialect{name: "reconnecting-websocket's delays", wait: func(temper float64, failed int, _ string) time.Duration {
	first := 1 + 4*temper
	return time.Duration(min(10, first*math.Pow(1.3, float64(failed))) * float64(time.Second))
}}

var centrifugeJS = dialect{name: "centrifuge-js's delays", connects: true, wait: func(_ float64, failed int, _ string) time.Duration {
	const least, most = 500 * time.Millisecond, 20 * time.Second
	return min(most, least+rand.N(min(most, least<<min(failed, 6))))
}}
