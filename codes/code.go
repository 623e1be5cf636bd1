package codes

import (
	"net/http"
	"strconv"
)

// A Code is an application close code (4000–4999, RFC 6455 §7.4.2). The codes 4400–4599 mirror the
// HTTP statuses 400–599; 4000–4399 and 4600–4999 are the application's own.
type Code uint16

// The codes that a WebSocket service needs. Each is 4000 + the HTTP status of the same name
// (RFC 9110 §15, RFC 6585, RFC 7725); [Catalog] has what each means and what a client should do.
const (
	BadRequest                 Code = 4400
	Unauthorized               Code = 4401
	Forbidden                  Code = 4403
	NotFound                   Code = 4404
	NotAcceptable              Code = 4406
	RequestTimeout             Code = 4408
	Conflict                   Code = 4409
	Gone                       Code = 4410
	ContentTooLarge            Code = 4413
	UpgradeRequired            Code = 4426
	TooManyRequests            Code = 4429
	UnavailableForLegalReasons Code = 4451
	InternalServerError        Code = 4500
	ServiceUnavailable         Code = 4503
	GatewayTimeout             Code = 4504
)

const (
	first, last             Code = 4000, 4999
	firstMirror, lastMirror Code = 4400, 4599
	mirrorOffset                 = 4000
)

// FromStatus returns the code that mirrors an HTTP status. Outside 400–599 there is none: ok is false.
func FromStatus(status int) (c Code, ok bool) {
	if status < 400 || status > 599 {
		return 0, false
	}
	return Code(status + mirrorOffset), true
}

// Status returns the HTTP status that c mirrors. An application's own code mirrors none: ok is false.
func (c Code) Status() (status int, ok bool) {
	if c < firstMirror || c > lastMirror {
		return 0, false
	}
	return int(c - mirrorOffset), true
}

// Valid reports whether c lies in 4000–4999.
func (c Code) Valid() bool { return c >= first && c <= last }

// Action returns what a client should do about c when the verdict does not say: the catalog's action;
// beyond the catalog, Backoff for a mirrored 5xx and Stop for everything else.
func (c Code) Action() Action {
	if e := c.entry(); e != nil {
		return e.Action
	}
	if c >= 4500 && c <= lastMirror {
		return Backoff
	}
	return Stop
}

// Name returns the HTTP reason phrase of a mirrored code ("Unauthorized"), "Application Code" for an
// application's own, and "" for what is no Code or has no registered status.
func (c Code) Name() string {
	if e := c.entry(); e != nil {
		return e.Name
	}
	if status, ok := c.Status(); ok {
		return http.StatusText(status)
	}
	if c.Valid() {
		return "Application Code"
	}
	return ""
}

// Text returns one sentence for people about c. It holds nothing internal and may be shown to anybody.
func (c Code) Text() string {
	if e := c.entry(); e != nil {
		return e.Text
	}
	return "The request was refused."
}

// String returns the number and the name: "4401 Unauthorized".
func (c Code) String() string {
	s := strconv.Itoa(int(c))
	if name := c.Name(); name != "" {
		s += " " + name
	}
	return s
}
