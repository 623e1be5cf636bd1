package upgrade

import (
	"cmp"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade/internal/frame"
	"github.com/wsverdict/wsverdict/upgrade/internal/handshake"
	"github.com/wsverdict/wsverdict/upgrade/internal/transport"
)

// A denial is a denying verdict on its way to the client.
type denial struct {
	verdict policy.Verdict
	policy  string
	why     Why       // the form is decided already: it is a status
	start   time.Time // of the deciding link
}

// An answer is what became of a denial.
type answer struct {
	outcome   Outcome
	why       Why
	closeCode uint16
	err       error
	taken     transport.Taken // of a close frame: the handler stays for a stream
}

// settle is where every denial of a handshake ends: decide the form, write it, tell the Observer.
func (c *config) settle(w http.ResponseWriter, r *http.Request, p pass, d *denial) {
	a := answer{why: d.why}
	if a.why == 0 {
		a = c.tryClose(w, r, p, &d.verdict)
	}
	status := acceptedStatus(r)
	if a.why != 0 {
		status = d.verdict.Status()
		err := writeProblem(w, r, &d.verdict, a.why)
		a.outcome, a.err = Answered, cmp.Or(a.err, err)
	}
	c.settled.count(&d.verdict, a.outcome)
	if c.reports(a.err, &d.verdict) {
		c.reportSettled(r, d, &a, status)
	}
	a.taken.Stay()
}

//go:noinline
func (c *config) reportSettled(r *http.Request, d *denial, a *answer, status int) {
	c.observe(Event{Request: r, Policy: d.policy, Verdict: d.verdict, Outcome: a.outcome, Why: a.why,
		Status: status, CloseCode: a.closeCode, Err: a.err, Duration: c.elapsed(d.start)})
}

// tryClose closes with a close frame, or says why that cannot be.
func (c *config) tryClose(w http.ResponseWriter, r *http.Request, p pass, v *policy.Verdict) answer {
	if v.Hidden() {
		return answer{why: WhyHidden}
	}
	key, fault := c.check(r)
	switch {
	case fault != handshake.None:
		why, err := whyFault(r, fault)
		return answer{why: why, err: err}
	case c.statusWithoutOrigin && originOf(r).lines == 0:
		return answer{why: WhyNoOrigin}
	case !c.vetted(r, p):
		return answer{why: WhyOrigin, err: foreignOrigin(r)}
	}
	choice, fault := handshake.Choose(r, c.subprotocols)
	switch {
	case choice.Refused:
		choice.Subprotocol = handshake.Refused
	case fault != handshake.None:
		return answer{why: WhySubprotocol}
	}
	return c.closeHandshake(w, r, accepted{key, choice.Subprotocol}, v)
}

var errExtendedConnect = errors.New("upgrade: a WebSocket handshake over HTTP/2 (RFC 8441), which Upgrader.DisableHTTP2 refuses: " +
	"GODEBUG=http2xconnect=1 in this process's environment makes browsers send it, and they do not try HTTP/1.1 then")

// check is [handshake.Check] where HTTP/2 is spoken.
func (c *config) check(r *http.Request) (key string, fault handshake.Fault) {
	if c.disableHTTP2 && r.ProtoMajor > 1 {
		return "", handshake.HTTPVersion
	}
	return handshake.Check(r)
}

// whyFault is what is reported about a handshake that is none.
func whyFault(r *http.Request, fault handshake.Fault) (Why, error) {
	switch {
	case fault == handshake.HTTPVersion && handshake.IsConnect(r):
		return WhyHTTP2, errExtendedConnect
	case fault == handshake.Subprotocols, fault == handshake.NoSubprotocol:
		return WhySubprotocol, nil
	}
	return WhyNoHandshake, nil
}

// closeHandshake accepts the connection and closes it. If the answer has a Why, nothing was written
// and the connection still belongs to net/http.
func (c *config) closeHandshake(w http.ResponseWriter, r *http.Request, hs accepted, v *policy.Verdict) answer {
	if !c.lingering.take() {
		return answer{why: WhyBudget}
	}
	lingers := false
	defer func() {
		if !lingers { // after a foreign Hijacker's panic too
			c.lingering.give()
		}
	}()
	taken, err := transport.Take(w, r)
	if err != nil {
		return answer{why: WhyHijack, err: err}
	}
	reason := v.Reason()
	code := c.closeCode(v, reason)
	out := hs.begin(taken.Buffer(), w.Header())
	out = frame.AppendClose(out, code, reason)
	// One absolute deadline for the write and for the linger behind it.
	until := now().add(c.lingerTimeout)
	if err := taken.Answer(out, until.time()); err != nil {
		return answer{outcome: Lost, closeCode: code, err: err, taken: taken}
	}
	lingers = true
	c.linger(taken.Conn, frame.Scanner{}, taken.Early(), until, false, &c.lingering)
	return answer{outcome: Closed, closeCode: code, taken: taken}
}

// closeCode is the profile's word for v, held to what may go on the wire. A profile that panics has
// no say: the connection is hijacked, or a session's, and nobody further out would end it.
func (c *config) closeCode(v *policy.Verdict, reason codes.Reason) (code uint16) {
	if c.profile == nil {
		return uint16(v.Code())
	}
	defer func() {
		if x := recover(); x != nil {
			slog.Default().Error("wsverdict: the Profile panicked", "panic", x)
		}
		if !codes.Sendable(code) {
			code = uint16(v.Code())
		}
	}()
	return c.profile(codes.Denial{Code: v.Code(), Status: v.Status(), Reason: reason})
}

// elapsed is 0 where nobody asked for the time.
func (c *config) elapsed(start time.Time) time.Duration {
	if start.IsZero() {
		return 0
	}
	return time.Since(start)
}

// now is the time for an Observer; with none it costs nothing.
func (c *config) now() time.Time {
	if !c.timed {
		return time.Time{}
	}
	return time.Now()
}

// A HijackError says why a connection could not be taken over: most often a middleware wraps
// [http.ResponseWriter] in a type with neither Hijack nor Unwrap (see [http.ResponseController]),
// or, over HTTP/2, with neither SetWriteDeadline nor Unwrap (Stream is true then). Its field Writer
// is the innermost writer that could be reached, the one in the way, and Err the reason:
// [http.ErrNotSupported] where a type is in the way.
type HijackError = transport.HijackError
