package codes

// GraphQLTransportWS speaks the codes of the graphql-transport-ws protocol. Its clients act on
// codes alone, so where a protocol code would make them do something else than the denial's action,
// one that is acted on rightly is sent:
//
//   - an action of backoff or reconnect is 1013 or 1012, which are retried, since 4429 and 4500 are
//     fatal there and 4429 means too many initialisations; 408 and 504 keep their codes, which are
//     retried as well;
//   - an action of refresh is 4403, which the protocol recommends for a failed authentication and
//     its clients use to fetch a new token;
//   - an action of stop keeps 4400, 4401, 4406, 4409, 4429 and 4500; every other 4xx is 4400, 4403
//     among them, since it is retried; every other 5xx is 4500.
//
// A reason that says no action means the code's own. An application's own code is sent as it is.
func GraphQLTransportWS(d Denial) uint16 {
	if _, mirrors := d.Code.Status(); !mirrors {
		return uint16(d.Code)
	}
	action := d.action()
	switch action {
	case Backoff, Reconnect:
		switch {
		case d.Code == RequestTimeout, d.Code == GatewayTimeout:
			return uint16(d.Code)
		case action == Reconnect:
			return 1012
		}
		return 1013
	case Refresh:
		return 4403
	}
	switch d.Code {
	case BadRequest, Unauthorized, NotAcceptable, Conflict, TooManyRequests, InternalServerError:
		return uint16(d.Code)
	}
	if d.Status >= 500 {
		return 4500
	}
	return 4400
}

// FromGraphQLTransportWS reads the codes of the graphql-transport-ws protocol, as its clients act
// on them. Codes from 4000 on that it does not define are retried there.
func FromGraphQLTransportWS(code uint16) Meaning {
	if m, ok := graphQLCodes[code]; ok {
		return m
	}
	return registered(code)
}

var graphQLCodes = map[uint16]Meaning{
	4004: {"Bad response", 0, Stop},
	4005: {"Internal client error", 0, Stop},
	4400: {"Bad request", 400, Stop},
	4401: {"Unauthorized", 401, Stop},
	4403: {"Forbidden", 403, Refresh},
	4406: {"Subprotocol not acceptable", 406, Stop},
	4408: {"Connection initialisation timeout", 408, Reconnect},
	4409: {"Subscriber already exists", 409, Stop},
	4429: {"Too many initialisation requests", 429, Stop},
	4500: {"Internal server error", 500, Stop},
	4504: {"Connection acknowledgement timeout", 504, Backoff},
}
