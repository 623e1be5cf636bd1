package codes

import "time"

// The subprotocols that this protocol has for itself (docs/protocol.md, section 5). A client offers
// them beside its application's own (RFC 6455 §1.9), to learn at `open` already whether it was
// admitted.
const (
	// SubprotocolRefused is chosen for a handshake that is accepted only to be closed, where the
	// client offered it, and never else.
	SubprotocolRefused = "wsverdict.refused"
	// SubprotocolAdmitted is chosen for an admitted client that offered no subprotocol of an
	// application, since one that is answered with none of those it offered fails the connection.
	SubprotocolAdmitted = "wsverdict.v1"
)

// A Meaning is what a scheme of close codes says about a code on the wire.
type Meaning struct {
	Name   string // in the scheme's own words; "" for a code that the scheme has no word for
	Status int    // the HTTP status that says the same; 0 if none does
	Action Action // what a client should do; never zero
}

// A Reading is the other direction of a [Profile]: what a code means that came off the wire. It is
// total: the meaning of a code that no table has is a safe action. A Reading is called
// concurrently, and must be a pure function.
//
// [FromMirrored], [FromIANA], [FromGraphQLTransportWS], [FromCentrifuge] and [FromPusher] are
// readings.
type Reading func(code uint16) Meaning

// FromMirrored reads the codes of [Mirrored]: those of the [Catalog] by name, the other codes that
// mirror a status by their class, an application's own as [Stop]; below 4000 the registry's.
func FromMirrored(code uint16) Meaning {
	c := Code(code)
	if !c.Valid() {
		return registered(code)
	}
	m := Meaning{Action: c.Action()}
	m.Status, _ = c.Status()
	if e := c.entry(); e != nil {
		m.Name = e.Name
	}
	return m
}

// An Outcome is what a close frame tells a client: docs/protocol.md, section 4. The page's client
// has the same type.
type Outcome struct {
	Code   uint16 // as received
	Name   string // the code's name in its scheme, "" if it has none
	Slug   string // the reason's, "" if it is not of the grammar
	Action Action // the reason's, else the scheme's for the code; never zero
	After  time.Duration
	Status int // the HTTP status that the code stands for in its scheme; 0 if none is known
}

// ReadClose returns the outcome of a close frame of any server: from says what its codes mean. A
// reason that is not of the grammar is no error; the code decides then.
func ReadClose(from Reading, code uint16, reason string) Outcome {
	m := from(code)
	r, _ := ParseReason(reason)
	o := Outcome{Code: code, Name: m.Name, Slug: r.Slug(), Action: r.Action(), After: r.After(), Status: m.Status}
	if o.Action == 0 {
		o.Action = m.Action
	}
	return o
}
