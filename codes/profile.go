package codes

// A Denial is what a [Profile] translates.
type Denial struct {
	Code   Code
	Status int // the HTTP status of the same denial, 400–599
	Reason Reason
}

// A Profile is a scheme of close codes: it returns the code that stands for d in a close frame. The
// reason is the same in every scheme. The result must be one that an endpoint may send (1000–1003,
// 1007–1014, 3000–4999); for any other the server sends what [Mirrored] says. A Profile is called
// concurrently, and must be a pure function.
//
// [Mirrored], [IANA], [GraphQLTransportWS], [Centrifuge] and [Pusher] are profiles.
type Profile func(d Denial) uint16

// action is what the client is to do about d: a reason that says nothing means the code's own.
func (d Denial) action() Action {
	if action := d.Reason.Action(); action != 0 {
		return action
	}
	return d.Code.Action()
}

// Mirrored is the default profile: the code itself, 4000 + the HTTP status or the application's own.
func Mirrored(d Denial) uint16 { return uint16(d.Code) }

// Sendable reports whether an endpoint may put code into a close frame (RFC 6455 §7.4 and the IANA
// registry): 1005, 1006 and 1015 never go on the wire, 1004 has no meaning, and what lies below
// 1000, in 1016–2999 or above 4999 is nobody's. [Profile] results are held to it.
func Sendable(code uint16) bool {
	switch {
	case code >= 1000 && code <= 1003, code >= 1007 && code <= 1014:
		return true
	}
	return code >= 3000 && code <= 4999
}
