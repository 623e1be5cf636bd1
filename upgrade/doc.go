// Package upgrade is the end of the chain: an [Upgrader] turns verdicts into HTTP statuses or into
// close frames that a browser script can read, and admitted requests into sessions.
//
//	up := &upgrade.Upgrader{}
//	mux.Handle("/ws", up.Use(policy.Func(membersOnly))(up.Handler(chat)))
//
// Package middleware has ready policies and the chi-flavoured way to mount them.
//
// A link is one policy, mounted as a middleware; the endpoint is the handler behind the last one.
// To settle a verdict is to answer the client by it, and to tell the [Observer] how.
//
// # Four rules that no order of mounting breaks
//
// A denied request goes no further than the link that denied it.
//
// Nothing is upgraded, not even to be closed, unless its Origin, if it sent one, was vetted: by an
// Origin link of the same Upgrader that let exactly this value pass, else by the same-origin
// default.
//
// An Origin denial is always an HTTP status, and an Origin link stands before every other link.
//
// A close costs more than a status and has a budget: beyond [Upgrader.MaxLingering] a denial is its
// status. A panic in a policy denies.
//
// # The close that arrives
//
// A server that writes a close frame and closes the socket at once loses the frame whenever a
// client message is still unread: the kernel answers unread data with a reset, which overtakes the
// frame. So the close frame goes out in one write with the 101, without a FIN, and the connection
// is read and discarded until the client's own close frame or a short absolute deadline, on a small
// goroutine outside net/http. At the deadline it is half-closed first: a [net.Listener] of the
// user's own that wraps connections passes CloseWrite on.
//
// # The session
//
// An admitted request becomes a [Session]: a function on a goroutine of its own, with a [Conn] and
// without the request. Every way in which it ends is a close frame with a code: its result, a
// verdict from elsewhere ([Conn.Close], [Upgrader.End], an expiry), a fault of the client's, or
// [Upgrader.Shutdown].
package upgrade
