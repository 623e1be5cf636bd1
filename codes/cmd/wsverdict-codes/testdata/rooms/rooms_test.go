package rooms

import "github.com/wsverdict/wsverdict/codes"

const OnlyInTests codes.Code = 4701
