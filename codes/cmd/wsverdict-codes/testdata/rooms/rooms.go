// Package rooms has close codes of its own, in every way that Go has of writing them.
package rooms

import (
	"net/http"

	"github.com/wsverdict/wsverdict/codes"
)

// RoomFull: there is no seat left.
const RoomFull codes.Code = 4601

type alias = codes.Code

const (
	// GameOver has a comment above it,
	// on two lines.
	GameOver codes.Code = 4001 + iota
	Kicked              // Thrown out by a moderator.
	quiet               // not exported, and sent all the same
	_
	Again       = codes.Code(4010)
	Plain alias = 4011

	Unprocessable = 4000 + codes.Code(http.StatusUnprocessableEntity)

	Denied = codes.Forbidden // another name for what has one
	Number = 4999            // no Code

	four, five codes.Code = 4604, 4605
)

// local constants are not the package's.
func local() codes.Code {
	const inside codes.Code = 4700
	return inside
}
