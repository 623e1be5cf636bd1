package codes

// Centrifuge speaks the codes of Centrifuge and Centrifugo. Their clients go by the code's range:
// 3500–3999 and 4500–4999 are terminal, every other is reconnected, with full jitter. So the
// denial's action chooses the range and its status the code:
//
//   - an action of stop is 3500 (invalid token) for 401, 3507 (permission denied) for 403, 3506
//     (inappropriate protocol) for 406, 3504 (connection limit) for 429, 3501 (bad request) for
//     every other 4xx, 3503 (force disconnect) for 5xx;
//   - an action of refresh is 3014 (state invalidated), the one code on which the client gets a new
//     token; it gives up the recovery of its subscriptions with it, and clients older than 3014
//     come back with the token that they have;
//   - an action of backoff or reconnect is 3013 (too many requests) for 429, 3001 (shutdown) for
//     503, 3004 (internal server error) for every other 5xx, 3011 (force reconnect) for every other
//     4xx.
//
// A reason that says no action means the code's own. An application's own code is sent as it is
// where its range says what the action says: 4000–4399 for backoff and reconnect, 4600–4999 for
// stop.
func Centrifuge(d Denial) uint16 {
	action := d.action()
	switch {
	case action == Refresh:
		return 3014
	case action == Stop:
		if d.Code > lastMirror && d.Code.Valid() {
			return uint16(d.Code)
		}
		switch d.Status {
		case 401:
			return 3500
		case 403:
			return 3507
		case 406:
			return 3506
		case 429:
			return 3504
		}
		if d.Status >= 500 {
			return 3503
		}
		return 3501
	case d.Code >= first && d.Code < firstMirror:
		return uint16(d.Code)
	case d.Status == 429:
		return 3013
	case d.Status == 503:
		return 3001
	case d.Status >= 500:
		return 3004
	}
	return 3011
}

// FromCentrifuge reads the codes of Centrifuge and Centrifugo. A code that has no name goes by its
// range, as their clients do it.
func FromCentrifuge(code uint16) Meaning {
	if m, ok := centrifugeCodes[code]; ok {
		return m
	}
	switch {
	case code >= 3500 && code <= 3999, code >= 4500 && code <= 4999:
		return Meaning{Action: Stop}
	case code >= 3000:
		return Meaning{Action: Backoff}
	}
	return registered(code)
}

var centrifugeCodes = map[uint16]Meaning{
	3000: {"connection closed", 0, Reconnect},
	3001: {"shutdown", 503, Reconnect},
	3004: {"internal server error", 500, Backoff},
	3005: {"connection expired", 401, Refresh},
	3006: {"subscription expired", 0, Reconnect},
	3008: {"slow", 0, Reconnect},
	3009: {"write error", 0, Reconnect},
	3010: {"insufficient state", 0, Reconnect},
	3011: {"force reconnect", 0, Reconnect},
	3012: {"no pong", 408, Reconnect},
	3013: {"too many requests", 429, Backoff},
	3014: {"state invalidated", 401, Refresh},
	3500: {"invalid token", 401, Stop},
	3501: {"bad request", 400, Stop},
	3502: {"stale", 408, Stop},
	3503: {"force disconnect", 0, Stop},
	3504: {"connection limit", 429, Stop},
	3505: {"channel limit", 429, Stop},
	3506: {"inappropriate protocol", 406, Stop},
	3507: {"permission denied", 403, Stop},
	3508: {"not available", 404, Stop},
	3509: {"too many errors", 429, Stop},
}
