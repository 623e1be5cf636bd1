package main

// A testCase is one row of the page.
type testCase struct {
	ID    string `json:"id"`
	Title string `json:"title"`
	What  string `json:"what"`

	Path  string `json:"path"`  // below /ws/close and /ws/status
	Token string `json:"token"` // "" offers none
	By    string `json:"by"`    // who sends it: "script", "foreign" (a script of another origin), "server", "fetch"

	// Never says why there is no close frame; such a case has one form.
	Never string `json:"never,omitempty"`
}

func (t *tokens) cases() []testCase {
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
