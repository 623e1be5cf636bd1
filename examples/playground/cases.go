package main

// A testCase is one row of the page.
type testCase struct {
	ID    string `json:"id"`
	Title string `json:"title"`
	What  string `json:"what"`

	Path  string `json:"path"`  // below /ws/close and /ws/status; of a live case all of it
	Token string `json:"token"` // "" offers none
	By    string `json:"by"`    // who sends it: "script", "foreign" (a script of another origin), "server", "fetch"; "live" stays

	// Ends is what ends a live connection, below /live. Where nothing does, its token runs out.
	Ends string `json:"ends,omitempty"`

	// Never says why there is no close frame; such a case has one form.
	Never string `json:"never,omitempty"`
}

// Live reports whether the connection is allowed, and its end is what the case is about. It has had its status, 101: such
// a case has one form as well.
func (c testCase) Live() bool { return c.By == "live" }

// A group is a part of the page.
type group struct {
	Title string
	Cases []testCase
}

func (t *tokens) groups() []group {
	return []group{{"At the handshake", t.handshakes()}, {"Later, on a live connection", t.endings()}}
}

func (t *tokens) endings() []testCase {
	const live, room = "live", "/ws/close/rooms/lobby"
	return []testCase{
		{
			ID: "runs-out", Title: "Token runs out", By: live, Path: room,
			What: "Let in with a token that is good for two or three seconds more.",
		},
		{
			ID: "banned", Title: "Banned", By: live, Path: room, Token: t.good, Ends: "ban",
			What: "While they talk, everything tagged with this user is ended.",
		},
		{
			ID: "drained", Title: "Maintenance begins", By: live, Path: room, Token: t.good, Ends: "drain",
			What: "The switch is turned on for half a minute; all go, one by one.",
		},
		{
			ID: "shut-down", Title: "Server shuts down", By: live, Path: "/ws/second/lobby", Token: t.good, Ends: "shutdown",
			What: "A second server in this one, as at a deployment.",
		},
	}
}

func (t *tokens) handshakes() []testCase {
	const script = "script"
	return []testCase{
		{
			ID: "allowed", Title: "Allowed", By: script, Path: "/rooms/lobby", Token: t.good,
			What: "A member of the room says hello, hears it and hangs up.",
		},
		{
			ID: "no-token", Title: "No token", By: script, Path: "/rooms/lobby",
			What: "The script offers the subprotocol echo.v1, and no token.",
		},
		{
			ID: "expired", Title: "Expired token", By: script, Path: "/rooms/lobby", Token: t.expired,
			What: "A token that ran out an hour ago. A new one would help.",
		},
		{
			ID: "forged", Title: "Forged signature", By: script, Path: "/rooms/lobby", Token: t.forged,
			What: "The right claims, signed with somebody else’s key.",
		},
		{
			ID: "audience", Title: "Wrong audience", By: script, Path: "/rooms/lobby", Token: t.wrongAudience,
			What: "A genuine token, but issued for another service.",
		},
		{
			ID: "keys", Title: "Keys unavailable", By: script, Path: "/rooms/lobby", Token: t.unknownHost,
			What: "The key server is down. The token is not to blame.",
		},
		{
			ID: "rate-limited", Title: "Rate limited", By: script, Path: "/limited/lobby", Token: t.good,
			What: "One connection in 30 seconds is allowed; this is the second.",
		},
		{
			ID: "maintenance", Title: "Maintenance", By: script, Path: "/maintenance/lobby", Token: t.good,
			What: "A switch is on, and nobody is let in.",
		},
		{
			ID: "not-a-member", Title: "Not a member", By: script, Path: "/rooms/cellar", Token: t.good,
			What: "Signed in, but not of this room: the application’s own policy.",
		},
		{
			ID: "foreign", Title: "Foreign origin", By: "foreign", Path: "/rooms/lobby", Token: t.good,
			What:  "The same good token, from a page of another origin.",
			Never: "Never: codes that differ would tell any site who is signed in.",
		},
		{
			ID: "wrong-version", Title: "Wrong version", By: "server", Path: "/rooms/lobby", Token: t.good,
			What:  "Version 8: no browser sends it, so a client in the server does.",
			Never: "Never: this client speaks another protocol.",
		},
		{
			ID: "plain-get", Title: "Plain GET", By: "fetch", Path: "/rooms/lobby", Token: t.good,
			What:  "fetch instead of WebSocket, with the token in Authorization.",
			Never: "Never: no handshake, and fetch can read a status.",
		},
	}
}
