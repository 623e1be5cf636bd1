package upgrade

import (
	"context"
	"errors"
	"net/http"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade/internal/handshake"
	"github.com/wsverdict/wsverdict/upgrade/internal/transport"
)

// A Handler is an endpoint's first function. It is called with the valid handshake of a vetted
// client, before anything is upgraded: it takes from the request what the session will need, and
// returns the session. An error refuses the client: a [policy.Verdict] as itself, any other with
// 500.
//
// The request is a copy that is emptied when the function returns, and its context then has no
// values: routers recycle what they keep there (chi.URLParam in a session would read another
// request's). It must not acquire what only the session would release: a connection that is lost
// during the upgrade never starts its session.
type Handler func(r *http.Request) (Session, error)

// A Session is an endpoint's second function. It runs on a goroutine of its own, after ServeHTTP
// has returned (over HTTP/2 that stays, see docs/http2.md), for as long as the connection is wanted;
// its result closes the connection: nil with 1000, a [policy.Verdict] with its code and reason, any
// other error with 1011. A panic closes with 1011 and is reported. If the connection was closed
// before, by the client or by a verdict, that stands.
//
// ctx carries nothing of the request but what [Upgrader.SessionContext] puts in. It is cancelled
// when the connection is closed by a verdict ([Conn.Close], [Upgrader.End], [Upgrader.Shutdown], an
// expiry), and when a read finds the client gone; [context.Cause] then says why: an error that is
// [ErrClosed] and unwraps to the verdict, a [*CloseError] with the client's code and reason, a
// [*ProtocolError], or the network's error. A session that only writes calls [Conn.CloseRead].
type Session func(ctx context.Context, c *Conn) error

// Handler returns the endpoint of a chain: it admits every valid handshake of a vetted client (see
// [Upgrader]) that h admits. It panics when u's fields are wrong and when h is nil.
func (u *Upgrader) Handler(h Handler) http.Handler {
	c := u.mounted()
	if h == nil {
		panic("upgrade: Handler: nil function")
	}
	return &endpoint{config: c, handler: h}
}

type endpoint struct {
	*config
	handler Handler
}

var errNoSession = errors.New("upgrade: the endpoint's function returned neither a session nor an error")

var errNoContext = errors.New("upgrade: SessionContext returned no context")

// ServeHTTP begins without a pass, as a link's does.
func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) { e.serve(w, r, pass{}) }

func (e *endpoint) serve(w http.ResponseWriter, r *http.Request, p pass) {
	start := e.now()
	p.since = e.since(p)
	deny := func(v policy.Verdict, by string, why Why) { e.deny(w, r, p, v, by, why, start) }
	key, fault := e.check(r)
	if fault != handshake.None {
		why, err := whyFault(r, fault)
		deny(refusals[fault].WithCause(err), "handshake", why)
		return
	}
	if e.live.closing.Load() {
		deny(restarting(), "shutdown", 0)
		return
	}
	if !e.vetted(r, p) {
		deny(refuseOrigin.WithCause(foreignOrigin(r)), "origin", WhyOrigin)
		return
	}
	choice, fault := handshake.Choose(r, e.subprotocols)
	switch {
	case fault == handshake.NoSubprotocol && choice.Refused:
		deny(noSubprotocol, "handshake", 0)
		return
	case fault != handshake.None:
		deny(refusals[fault], "handshake", WhySubprotocol)
		return
	}
	session, values, err := e.call(r)
	if err != nil {
		deny(asDenial(err), "endpoint", 0)
		return
	}
	conn := newConn(e.config, choice.Subprotocol)
	conn.carry(values)
	if refusal, by := conn.takePlace(r, p.since); refusal != nil {
		deny(*refusal, by, 0)
		return
	}
	e.admit(w, r, accepted{key, choice.Subprotocol}, conn, session, start)
}

//go:noinline
func (e *endpoint) deny(w http.ResponseWriter, r *http.Request, p pass, v policy.Verdict, by string, why Why, start time.Time) {
	e.settle(w, r, p, &denial{verdict: v, policy: by, why: why, start: start})
}

// takePlace takes the seats that the chain's verdicts asked for, and puts the connection where it
// can be found. If it cannot, everything is given back.
func (c *Conn) takePlace(r *http.Request, since uint64) (refusal *policy.Verdict, by string) {
	placed := false
	defer func() {
		if !placed {
			c.giveSeats()
		}
	}()
	var tags []ownedTag
	for l := carrier(r.Context()); l != nil; l = l.outer {
		if l.by.config == c.config {
			since = min(since, l.pass.since)
		}
		if l.brought == nil {
			continue
		}
		for e := range l.brought.Expiries() {
			c.timer.expires = &expiry{at: nanoseconds(e.At), owner: e.Owner, subject: e.Subject, next: c.timer.expires}
			for _, tag := range e.Tags {
				tags = append(tags, ownedTag{tag, e.Owner})
			}
		}
		for tag := range l.brought.Tags() {
			tags = append(tags, ownedTag{Tag: tag})
		}
		if refusal := c.takeSeats(r.Context(), l.brought); refusal != nil {
			return refusal, l.by.reportName(l.brought)
		}
	}
	if placed = c.config.live.add(c, tags); !placed {
		v := restarting()
		return &v, "shutdown"
	}
	c.endSince(since)
	return nil, ""
}

// call runs the endpoint's function, and SessionContext, on their own copy of the request, and empties
// that. values is nil where there is no SessionContext.
func (e *endpoint) call(r *http.Request) (s Session, values context.Context, err error) {
	g := &guest{ctx: guestContext{Context: r.Context()}}
	g.request = *r.WithContext(&g.ctx)
	returned := false
	defer func() {
		if !returned {
			s, values, err = nil, nil, panicked.WithCause(&PanicError{Value: recover(), Stack: debug.Stack()})
		}
		g.ctx.left.Store(true)
		g.request = http.Request{}
	}()
	s, err = e.handler(&g.request)
	if err == nil && s == nil {
		err = errNoSession
	}
	if err == nil && e.sessionContext != nil {
		if values = e.sessionContext(context.Background(), &g.request); values == nil {
			err = errNoContext
		}
	}
	returned = true
	return s, values, err
}

// A guest is a request on loan.
type guest struct {
	request http.Request
	ctx     guestContext
}

type guestContext struct {
	context.Context
	left atomic.Bool
}

func (c *guestContext) Value(key any) any {
	if c.left.Load() {
		return nil
	}
	return c.Context.Value(key)
}

// asDenial is the verdict behind an error of an endpoint's function.
func asDenial(err error) policy.Verdict {
	if v := denialIn(err); v != nil {
		return *v
	}
	return policy.Close(codes.InternalServerError, "internal_error").WithCause(err)
}

// admit upgrades and starts the session.
func (c *config) admit(w http.ResponseWriter, r *http.Request, hs accepted, conn *Conn, s Session, start time.Time) {
	v, status := policy.Allow(), acceptedStatus(r)
	var a answer
	admitted, decided := false, false
	defer func() {
		if !decided { // a foreign Hijacker has panicked
			c.live.remove(conn, 0)
		}
	}()
	taken, err := transport.Take(w, r)
	if err != nil {
		v = asDenial(err).Hide()
		status = v.Status()
		a = answer{outcome: Answered, why: WhyHijack, err: err}
		writeProblem(w, r, &v, WhyHijack)
	} else if err := taken.Answer(hs.begin(taken.Buffer(), w.Header()), after(c.writeTimeout)); err != nil {
		a = answer{outcome: Lost, err: err, taken: taken}
	} else {
		a = answer{outcome: Admitted, taken: taken}
		admitted = true
	}
	decided = true
	c.settled.count(&v, a.outcome)
	if c.reports(a.err, &v) {
		conn.reportAdmission(r, &v, &a, status, start)
	}
	if admitted { // once the Observer knows
		conn.start(taken.Conn, slices.Clone(taken.Early()), s)
	} else {
		c.live.remove(conn, 0)
	}
	a.taken.Stay()
}

//go:noinline
func (c *Conn) reportAdmission(r *http.Request, v *policy.Verdict, a *answer, status int, start time.Time) {
	c.config.observe(Event{Request: r, Policy: "endpoint", Verdict: *v, Outcome: a.outcome, Why: a.why, Status: status,
		Err: a.err, Duration: c.config.elapsed(start), SessionContext: c.eventContext(), Session: SessionInfo{ID: c.id}})
}
