// Package otelupgrade gives OpenTelemetry what became of handshakes and of sessions: spans, the
// verdicts as their events, and metrics.
//
//	telemetry, err := otelupgrade.New(otelupgrade.Config{})
//	...
//	up := &upgrade.Upgrader{Observer: telemetry, SessionContext: telemetry.SessionContext}
//	r := chi.NewRouter()
//	r.Use(otelupgrade.NewMiddleware("app")) // otelhttp's, with the status of an upgrade
//
// # Spans
//
// A handshake has a span "websocket handshake" with the route, an ordinary request that was denied
// one that is named "verdict" and is like it. It is a child of the request's current span, otelhttp's
// say, and begins where the deciding link was entered. It is an error where the verdict's status is
// 5xx and where the connection was lost before the answer was written; a user who was refused is
// none. The request's own span, and otelhttp's metrics of the request, get wsverdict.outcome as well.
//
// A session has a span "websocket session" with the route. It is the root of a trace of its own,
// since it may outlive the request by days, and links to the handshake's span. The session's context
// carries it: what the session starts are its children. It is an error if the session panicked, or
// ended with an error or with a 5xx that is not 503, which is how restarts and maintenance end it.
//
// Both have the verdict as an event wsverdict.verdict, and a panic as an event exception. An expiry
// that is near is an event wsverdict.expiring of the session's span, a judgement of a policy on trial
// an event wsverdict.shadowed of the request's.
//
// Over HTTP/2 (RFC 8441) an admission and a refusal by close frame are 200, the request's span lasts
// as long as the connection, and otelhttp's durations say so. The spans here are as ever.
//
// # Metrics
//
//	wsverdict.handshake.duration    histogram, s    wsverdict.outcome, http.route, error.type
//	wsverdict.handshake.refusals    counter         wsverdict.outcome, .verdict, .code, .slug, .policy, .why, http.route
//	wsverdict.shadowed              counter         wsverdict.verdict, .code, .slug, .policy
//	wsverdict.active_connections    up-down counter http.route
//	wsverdict.connection.duration   histogram, s    wsverdict.closed_by, .close_code, http.route, error.type
//
// # Attributes
//
// Names are those of the semantic conventions where there is one (http.route,
// http.response.status_code, error.type, network.protocol.name, exception.*), and otherwise:
//
//	wsverdict.outcome      admitted, closed (101 and a close frame), answered (a status) or lost
//	wsverdict.verdict      allow, close or reject
//	wsverdict.policy       the name of the policy that decided
//	wsverdict.code         of a denial, such as 4401
//	wsverdict.slug         of a denial, such as token_expired
//	wsverdict.action       of a denial: stop, refresh, backoff or reconnect
//	wsverdict.after        of a denial: how long the client is to wait, in seconds
//	wsverdict.why          why a denial became a status
//	wsverdict.close_code   of the close frame
//	wsverdict.closed_by    server, client or network
//	wsverdict.session.id   of spans: the number that events have, and logs
//	wsverdict.session.messages.read, .messages.written, .bytes.read, .bytes.written   of a session's span at its end
//
// Every value is the program's own: no text that a client sent is among them, and no error's text,
// which may quote it. Close codes that clients choose are counted by their thousand from 3000 on.
// What is not UTF-8, which exporters refuse, is replaced.
package otelupgrade
