package upgrade

import (
	"bufio"
	"net"
	"net/http"
	"time"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
)

// A denial is a denying verdict on its way to the client.
type denial struct {
	verdict policy.Verdict
	policy  string
	start   time.Time // of the deciding link
}

// settle is where every denial of a handshake ends: decide the form, write it, tell the Observer.
func (c *config) settle(w http.ResponseWriter, r *http.Request, p pass, d denial) {
	e := Event{Request: r, Policy: d.policy, Verdict: d.verdict}
	hs, why := c.closable(r, p, d.verdict)
	if why == 0 {
		why = c.closeHandshake(w, hs, &e)
	}
	if why != 0 {
		e.Why = why
		e.Status = d.verdict.Status()
		e.Outcome = Answered
		e.Err = firstError(e.Err, writeProblem(w, r, d.verdict))
	}
	e.Duration = c.since(d.start)
	c.observe(e)
}

// closable decides whether a denial may be a close frame. It writes nothing.
func (c *config) closable(r *http.Request, p pass, v policy.Verdict) (hs handshake, why Why) {
	if v.Hidden() {
		return hs, WhyHidden
	}
	key, refusal := checkHandshake(r)
	switch {
	case refusal != nil:
		return hs, WhyNoHandshake
	case c.statusWithoutOrigin && originOf(r).lines == 0:
		return hs, WhyNoOrigin
	case !c.vetted(r, p):
		return hs, WhyOrigin
	}
	subprotocol, refusal := chooseSubprotocol(r, c.subprotocols)
	if refusal != nil {
		return hs, WhySubprotocol
	}
	return handshake{key, subprotocol}, 0
}

// closeHandshake accepts the connection and closes it, and completes e. If it returns a Why nothing was written and
// the connection still belongs to net/http.
func (c *config) closeHandshake(w http.ResponseWriter, hs handshake, e *Event) Why {
	if !c.lingering.take() {
		return WhyBudget
	}
	conn, buf, err := hijack(w)
	if err != nil {
		c.lingering.give()
		e.Err = err
		return WhyHijack
	}
	e.Status, e.CloseCode = http.StatusSwitchingProtocols, c.closeCode(e.Verdict)
	out := appendSwitching(buf.AvailableBuffer(), hs, w.Header())
	out = appendClose(out, e.CloseCode, e.Verdict.Reason())
	if err := c.write(conn, buf, out); err != nil {
		c.lingering.give()
		e.Outcome, e.Err = Lost, err
		return 0
	}
	e.Outcome = Closed
	c.linger(conn, buffered(buf), &c.lingering)
	return 0
}

// write sends out in one write, with a deadline; if that fails nothing usable is left behind.
func (c *config) write(conn net.Conn, buf *bufio.ReadWriter, out []byte) error {
	err := conn.SetDeadline(time.Now().Add(c.writeTimeout)) // a foreign Hijacker may have left others
	if err == nil {
		buf.Write(out) // out is in buf's own space, or too large for it: either way one write
		err = buf.Flush()
	}
	if err != nil {
		conn.Close()
	}
	return err
}

// closeCode is the profile's word for v, held to what may go on the wire.
func (c *config) closeCode(v policy.Verdict) uint16 {
	code := c.profile(codes.Denial{Code: v.Code(), Status: v.Status(), Reason: v.Reason()})
	if !codes.Sendable(code) {
		return uint16(v.Code())
	}
	return code
}

// since is 0 where nobody asked for the time.
func (c *config) since(start time.Time) time.Duration {
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

func firstError(a, b error) error {
	if a != nil {
		return a
	}
	return b
}
