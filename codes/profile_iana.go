package codes

// IANA speaks the codes of the WebSocket Close Code Number Registry, by the denial's HTTP status:
// 401 is 3000, 403 3003, 408 3008; 429 and 503 are 1013 (try again later), or 1012 (service
// restart) when the client is to reconnect; every other 4xx is 1008 and every other 5xx 1011.
func IANA(d Denial) uint16 {
	switch d.Status {
	case 401:
		return 3000
	case 403:
		return 3003
	case 408:
		return 3008
	case 429, 503:
		if d.Reason.Action() == Reconnect {
			return 1012
		}
		return 1013
	}
	if d.Status >= 500 {
		return 1011
	}
	return 1008
}

// FromIANA reads the codes of the WebSocket Close Code Number Registry, with its names. Codes from
// 4000 on are private use there: nothing is known of them, and they are to be stopped at.
func FromIANA(code uint16) Meaning {
	m := registered(code)
	m.Name = ianaNames[code]
	if Code(code).Valid() {
		m.Action = Stop
	}
	return m
}

// registered is what a code means by the registry, without its name: the part below 4000 of every
// scheme that does not say otherwise. Of 1008 and 1011 only the class is known, which is the status
// that ends in 00 (RFC 9110 §15). What is in no table, 1006 too, is retried with growing delays:
// that is right for a failed network and harms nobody else.
func registered(code uint16) Meaning {
	switch code {
	case 1000:
		return Meaning{Action: Stop}
	case 1001:
		return Meaning{Action: Reconnect}
	case 1008:
		return Meaning{Status: 400, Action: Stop}
	case 1009:
		return Meaning{Status: 413, Action: Backoff}
	case 1011:
		return Meaning{Status: 500, Action: Backoff}
	case 1012:
		return Meaning{Status: 503, Action: Reconnect}
	case 1013:
		return Meaning{Status: 503, Action: Backoff}
	case 1014:
		return Meaning{Status: 502, Action: Backoff}
	case 3000:
		return Meaning{Status: 401, Action: Refresh}
	case 3003:
		return Meaning{Status: 403, Action: Stop}
	case 3008:
		return Meaning{Status: 408, Action: Reconnect}
	}
	return Meaning{Action: Backoff}
}

// ianaNames are the registry's "Meaning" column.
var ianaNames = map[uint16]string{
	1000: "Normal Closure",
	1001: "Going Away",
	1002: "Protocol error",
	1003: "Unsupported Data",
	1005: "No Status Rcvd",
	1006: "Abnormal Closure",
	1007: "Invalid frame payload data",
	1008: "Policy Violation",
	1009: "Message Too Big",
	1010: "Mandatory Ext.",
	1011: "Internal Error",
	1012: "Service Restart",
	1013: "Try Again Later",
	1014: "Bad Gateway",
	1015: "TLS handshake",
	3000: "Unauthorized",
	3003: "Forbidden",
	3008: "Timeout",
}
