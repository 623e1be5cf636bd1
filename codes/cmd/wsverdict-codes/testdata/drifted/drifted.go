// Package drifted has got a code since its module was written.
package drifted

import "github.com/wsverdict/wsverdict/codes"

const (
	RoomFull codes.Code = 4601 // There is no seat left.
	Kicked   codes.Code = 4602 // Since then.
)
