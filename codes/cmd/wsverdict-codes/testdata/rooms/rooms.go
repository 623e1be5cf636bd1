// Package rooms has close codes of its own, in every way that Go has of writing them.
package rooms

import (
	"net/http"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
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

const gameOver = "game_over"

// Verdicts are refusals in every way that Go has of writing their slugs.
func Verdicts(unknown string) []policy.Verdict {
	full := func(slug string) policy.Verdict { return policy.Close(RoomFull, slug) }
	return []policy.Verdict{
		policy.Close(RoomFull, "room_full"), policy.Reject(Denied, "not_"+"listed"), policy.Close(GameOver, gameOver),
		full("full_for_now"), full(unknown),
	}
}

var _ = []codes.Code{quiet, four, five, local()}
