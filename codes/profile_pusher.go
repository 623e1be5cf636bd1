package codes

// Pusher speaks the codes of the Pusher Channels protocol. Its clients go by the code's range: on
// 4000–4099 they give up, on 4100–4199 they wait a second, on 4200–4299 they come back at once, and
// on everything above they give up. So the denial's action chooses the range and its status the
// code:
//
//   - an action of stop or refresh is 4009 (unauthorized) for 401 and 403, 4005 (path not found)
//     for 404 and 410, 4007 (unsupported protocol version) for 406 and 426, 4004 (over quota) for
//     429, 4003 (application disabled) for the rest. Never 4000, on which the client comes back
//     over TLS. The connection itself has no token that the client could refresh: the page is told,
//     gets what it needs and connects;
//   - an action of backoff, or of reconnect with a wait, is 4100 (over capacity); the wait itself
//     is in the reason, which the client does not read;
//   - an action of reconnect without a wait is 4200 (reconnect immediately).
//
// A reason that says no action means the code's own. An application's own code is sent as it is
// where its range says what the action says.
func Pusher(d Denial) uint16 {
	want := Stop
	switch d.action() {
	case Backoff:
		want = Backoff
	case Reconnect:
		want = Reconnect
		if d.Reason.After() > 0 {
			want = Backoff
		}
	}
	if _, mirrors := d.Code.Status(); !mirrors && d.Code.Valid() && d.Code != 4000 && FromPusher(uint16(d.Code)).Action == want {
		return uint16(d.Code)
	}
	switch want {
	case Backoff:
		return 4100
	case Reconnect:
		return 4200
	}
	switch d.Status {
	case 401, 403:
		return 4009
	case 404, 410:
		return 4005
	case 406, 426:
		return 4007
	case 429:
		return 4004
	}
	return 4003
}

// FromPusher reads the codes of the Pusher Channels protocol. A code that has no name goes by its
// range, as the clients do it.
func FromPusher(code uint16) Meaning {
	if m, ok := pusherCodes[code]; ok {
		return m
	}
	switch {
	case code >= 4100 && code <= 4199:
		return Meaning{Action: Backoff}
	case code >= 4200 && code <= 4299:
		return Meaning{Action: Reconnect}
	case code >= 4000 && code <= 4999:
		return Meaning{Action: Stop}
	}
	return registered(code)
}

var pusherCodes = map[uint16]Meaning{
	4000: {"TLS required", 426, Stop},
	4001: {"Application does not exist", 404, Stop},
	4003: {"Application disabled", 403, Stop},
	4004: {"Over connection quota", 429, Stop},
	4005: {"Path not found", 404, Stop},
	4006: {"Invalid version string format", 400, Stop},
	4007: {"Unsupported protocol version", 406, Stop},
	4008: {"No protocol version supplied", 400, Stop},
	4009: {"Unauthorized", 401, Stop},
	4100: {"Over capacity", 503, Backoff},
	4200: {"Reconnect immediately", 503, Reconnect},
	4201: {"Pong not received", 408, Reconnect},
	4202: {"Closed after inactivity", 408, Reconnect},
}
