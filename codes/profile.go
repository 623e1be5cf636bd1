package codes

// A Denial is what a [Profile] translates.
type Denial struct {
	Code   Code
	Status int // the HTTP status of the same denial, 400–599
	Reason Reason
}

// A Profile is a scheme of close codes: it returns the code that stands for d in a close frame. The reason is the
// same in every scheme. The result must be one that an endpoint may send (1000–1003, 1007–1014, 3000–4999); for
// any other the server sends what [Mirrored] says. A Profile is called concurrently, and must be a pure function.
//
// [Mirrored], [IANA] and [GraphQLTransportWS] are profiles.
type Profile func(d Denial) uint16

// Mirrored is the default profile: the code itself, 4000 + the HTTP status or the application's own.
func Mirrored(d Denial) uint16 { return uint16(d.Code) }

// IANA speaks the codes of the WebSocket Close Code Number Registry, by the denial's HTTP status: 401 is 3000, 403 3003,
// 408 3008; 429 and 503 are 1013 (try again later), or 1012 (service restart) when the client is to reconnect;
// every other 4xx is 1008 and every other 5xx 1011.
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

// GraphQLTransportWS speaks the codes of the graphql-transport-ws protocol. Its clients act on codes alone, so where a
// protocol code would make them do something else than the denial's action, one that is acted on rightly is sent:
//
//   - an action of backoff or reconnect is 1013 or 1012, which are retried, since 4429 and 4500 are fatal there and 4429
//     means too many initialisations; 408 and 504 keep their codes, which are retried as well;
//   - an action of refresh is 4403, which the protocol recommends for a failed authentication and its clients use to fetch
//     a new token;
//   - an action of stop keeps 4400, 4401, 4406, 4409, 4429 and 4500; every other 4xx is 4400, 4403 among them, since it is
//     retried; every other 5xx is 4500.
//
// A reason that says no action means the code's own. An application's own code is sent as it is.
func GraphQLTransportWS(d Denial) uint16 {
	if _, mirrors := d.Code.Status(); !mirrors {
		return uint16(d.Code)
	}
	action := d.Reason.Action()
	if action == 0 {
		action = d.Code.Action()
	}
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

// Sendable reports whether an endpoint may put code into a close frame (RFC 6455 §7.4 and the IANA registry): 1005,
// 1006 and 1015 never go on the wire, 1004 has no meaning, and what lies below 1000, in 1016–2999 or above 4999 is
// nobody's. [Profile] results are held to it.
func Sendable(code uint16) bool {
	switch {
	case code >= 1000 && code <= 1003, code >= 1007 && code <= 1014:
		return true
	}
	return code >= 3000 && code <= 4999
}
