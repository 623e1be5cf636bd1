package storm

import (
	"time"

	"github.com/wsverdict/wsverdict/middleware"
)

func rateOf(c checks) middleware.RateLimitConfig {
	return middleware.RateLimitConfig{Rate: c.requests, Per: time.Hour}
}
