package upgrade

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade/internal/transport"
)

// An Observer is told what became of requests. Observe is called synchronously and concurrently,
// after the answer is on its way; it should return soon. A panic in it is recovered and logged.
//
// An access log cannot do this: a refusal that became a close frame is a 101 there.
type Observer interface {
	Observe(e Event)
}

// ObserverFunc adapts a function to an [Observer].
type ObserverFunc func(e Event)

// Observe calls f.
func (f ObserverFunc) Observe(e Event) { f(e) }

// An Event is what an [Observer] is told. Policy, Outcome, Why, Status, CloseCode and the verdict's
// code and slug are few and fixed by the program: fit for the labels of a metric, but for the
// CloseCode of a connection that the client closed (see [EndedCount]). More fields and kinds may
// come.
type Event struct {
	Kind    Kind
	Request *http.Request // the handshake, not to be kept after Observe returns; nil in events about a session

	// Context is the request's, or in events about a session one that carries what
	// [Upgrader.SessionContext] put in, and is never cancelled. It is not nil.
	Context context.Context

	// ProtoMajor is the major version of HTTP that the handshake came by: 1 for an upgrade, 2 for an
	// extended CONNECT over HTTP/2 (RFC 8441).
	ProtoMajor int

	// SessionContext is, of an admission, the Context that the events about its session will have.
	SessionContext context.Context

	// Policy is the name of the link that decided ([policy.Named]), "handshake" or "origin" for the
	// Upgrader's own checks, "endpoint" for the endpoint's function and for an admission.
	Policy  string
	Verdict policy.Verdict // its Cause is for logs alone

	Outcome   Outcome
	Why       Why    // why a denial was settled as a status
	Status    int    // the HTTP status that was written; 101 for an upgrade, 200 over HTTP/2; 0 for none
	CloseCode uint16 // the code of the close frame that was written, after the profile; 0 for none
	Err       error  // what broke on the way: a connection that cannot be hijacked, a failed write

	// Duration runs from when the deciding link was entered until the answer was written; for an
	// [Ended] event, over the life of the connection. Of an [Expiring] event it is what is left.
	Duration time.Duration

	// Session is the connection that a [Started], [Expiring], [Ended] or [Panicked] event is about; of
	// an admission its ID alone.
	Session SessionInfo

	// Conn is the live connection that an [Expiring] event is about, to ask its client for new
	// credentials: [Conn.Send] waits for nobody. It is nil in all other events.
	Conn *Conn
}

// A SessionInfo describes a live connection, or one that has ended.
type SessionInfo struct {
	ID         uint64
	RemoteAddr net.Addr
	Tags       []policy.Tag
	ClosedBy   ClosedBy // of an Ended event

	MessagesRead, MessagesWritten uint64
	BytesRead, BytesWritten       uint64 // frames, with their headers
}

// A Kind says what an [Event] is about.
type Kind uint8

const (
	// Settled: a handshake's verdict was settled, that is, the client was answered by it.
	Settled Kind = iota
	// Shadowed: a policy on trial was judged; nothing was enforced. Verdict, Policy, Request and
	// Duration are set.
	Shadowed
	// Panicked: a session panicked; Err is a [*PanicError].
	Panicked
	// Started: a session begins. The Settled event before it, Admitted, has the request.
	Started
	// Ended: a connection is gone. CloseCode is the one it was closed with (the client's, if it was
	// first; 1006 if it broke), Verdict the one that closed it, if one did, and Err why it ended.
	Ended
	// Expiring: a connection will be closed by Verdict in Duration, unless its credentials are renewed
	// ([Conn.Extend]). It is told once for each expiry, [Upgrader.ExpiryNotice] ahead.
	Expiring
)

// An Outcome says how a verdict was settled.
type Outcome uint8

const (
	// Admitted: upgraded, the session runs.
	Admitted Outcome = iota + 1
	// Closed: upgraded and closed at once, with a close frame.
	Closed
	// Answered: answered with an HTTP status.
	Answered
	// Lost: the connection broke before the answer was written.
	Lost
)

// Why says why a denial was settled as an HTTP status and not as a close frame.
type Why uint8

const (
	// WhyHidden: the verdict is a Reject of a policy or of the endpoint's function.
	WhyHidden Why = iota + 1
	// WhyNoHandshake: the request is no valid WebSocket handshake, whoever denied it.
	WhyNoHandshake
	// WhyOrigin: the Origin may not connect, or was not vetted; Err is an [*OriginError] in the
	// latter case.
	WhyOrigin
	// WhySubprotocol: client and server have no subprotocol in common.
	WhySubprotocol
	// WhyNoOrigin: no browser, and [Upgrader.StatusWithoutOrigin] is set.
	WhyNoOrigin
	// WhyBudget: [Upgrader.MaxLingering] connections were lingering already.
	WhyBudget
	// WhyHijack: the connection, or the stream, could not be taken over; Err says which type was in the way.
	WhyHijack
	// WhyHTTP2: a WebSocket handshake over HTTP/2 (RFC 8441), where [Upgrader.DisableHTTP2] is set;
	// Err says what made the client send one.
	WhyHTTP2
)

var (
	kindNames    = [...]string{"settled", "shadowed", "panicked", "started", "ended", "expiring"}
	outcomeNames = [...]string{"", "admitted", "closed", "answered", "lost"}
	whyNames     = [...]string{"", "hidden", "no_handshake", "origin", "subprotocol", "no_origin", "budget", "hijack", "http2"}
)

// String returns a word fit for a metric's label.
func (k Kind) String() string { return word(kindNames[:], int(k)) }

// String returns a word fit for a metric's label.
func (o Outcome) String() string { return word(outcomeNames[:], int(o)) }

// String returns a word fit for a metric's label, "" for none.
func (w Why) String() string { return word(whyNames[:], int(w)) }

func word(names []string, i int) string {
	if i < len(names) {
		return names[i]
	}
	return "unknown"
}

// A PanicError is the cause of a denial when a policy or an endpoint's function panicked, and the
// Err of a [Panicked] event.
type PanicError = policy.PanicError

// reports says whether anybody wants to hear of it: building an Event is not free.
func (c *config) reports(err error, v *policy.Verdict) bool {
	return c.timed || err != nil || v.Cause() != nil
}

func (c *config) observe(e Event) {
	if e.Context == nil {
		e.Context = e.Request.Context()
	}
	if e.Request != nil {
		e.ProtoMajor = e.Request.ProtoMajor
	}
	tell(c.observer, e)
}

func tell(o Observer, e Event) {
	defer func() {
		if x := recover(); x != nil {
			slog.Default().Error("wsverdict: the Observer panicked", "panic", x)
		}
	}()
	o.Observe(e)
}

// report tells of a connection.
func (c *config) report(conn *Conn, k Kind) {
	if k == Ended {
		c.ended.count(conn.closeCode(), conn.end.by)
	}
	if !c.timed {
		return
	}
	e := Event{Kind: k, Context: conn.eventContext(), ProtoMajor: transport.ProtoMajor(conn.conn), Policy: "session", Session: conn.info()}
	if k == Ended {
		conn.describeEnd(&e)
	}
	c.observe(e)
}

// reportExpiring tells of a connection that will be closed at that moment.
func (c *config) reportExpiring(conn *Conn, at time.Time) {
	if conn.open() {
		c.observe(Event{Kind: Expiring, Context: conn.eventContext(), ProtoMajor: transport.ProtoMajor(conn.conn), Policy: "session", Verdict: tokenExpired,
			Duration: time.Until(at), Session: conn.info(), Conn: conn})
	}
}

func (c *Conn) info() SessionInfo {
	return SessionInfo{ID: c.id, RemoteAddr: c.RemoteAddr(), Tags: c.Tags()}
}

// describeEnd completes the event of a connection that nobody uses any more.
func (c *Conn) describeEnd(e *Event) {
	e.Duration = time.Duration(now() - c.started)
	e.CloseCode = c.closeCode()
	e.Err = c.end.cause
	e.Verdict = policy.Allow()
	if v := denialIn(c.end.cause); v != nil {
		e.Verdict = *v
	}
	s := &e.Session
	s.ClosedBy = c.end.by
	s.MessagesRead, s.BytesRead = c.in.messages, c.in.bytes
	s.MessagesWritten, s.BytesWritten = c.out.messages.Load(), c.out.bytes.Load()
}

// closeCode is the code that a connection ended with: the client's own, if it closed first.
func (c *Conn) closeCode() uint16 {
	if e, ok := c.end.cause.(*CloseError); ok {
		return e.Code
	}
	return c.end.code
}

// logPanics stands in where no Observer is set: a panic must not pass in silence.
type logPanics struct{}

func (logPanics) Observe(e Event) {
	var p *PanicError
	if errors.As(e.Verdict.Cause(), &p) || errors.As(e.Err, &p) {
		slog.Default().LogAttrs(e.Context, slog.LevelError, "wsverdict: panic",
			slog.String("policy", e.Policy), slog.Any("panic", p.Value), slog.String("stack", string(p.Stack)))
	}
}
