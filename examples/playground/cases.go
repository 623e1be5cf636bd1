package main

import (
	"fmt"
	"strings"

	"github.com/wsverdict/wsverdict/codes"
)

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

	// Will is what a script will get to know: by a close frame, and by a status.
	Will, WillPlain will `json:"-"`

	// Go are the lines of this program that decide.
	Go string `json:"-"`
}

// A will is what a form comes to, as the page shows it before anybody has pressed.
type will struct {
	Code int
	Says string
	Do   string
}

// denied is what a case comes to that is refused with a code: a script sees it, or that there is none.
func (c testCase) denied(code codes.Code, slug string, do codes.Action) testCase {
	status, _ := code.Status()
	c.Will = will{int(code), slug, do.String()}
	c.WillPlain = will{1006, fmt.Sprintf("hides a %d", status), ""}
	return c
}

// by names the lines that decide.
func (c testCase) by(parts ...string) testCase {
	c.Go = strings.Join(parts, "\n")
	return c
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
		testCase{
			ID: "runs-out", Title: "Token runs out", By: live, Path: room,
			What: "Let in with a token that is good for two or three seconds more.",
		}.denied(codes.Unauthorized, "token_expired", codes.Refresh).by(lines.users),
		testCase{
			ID: "banned", Title: "Banned", By: live, Path: room, Token: t.good, Ends: "ban",
			What: "While they talk, everything tagged with this user is ended.",
		}.denied(codes.Forbidden, "banned", codes.Stop).by(lines.ban),
		testCase{
			ID: "drained", Title: "Maintenance begins", By: live, Path: room, Token: t.good, Ends: "drain",
			What: "The switch is turned on for half a minute; all go, one by one.",
		}.denied(codes.ServiceUnavailable, "maintenance", codes.Backoff).by(lines.drain),
		testCase{
			ID: "shut-down", Title: "Server shuts down", By: live, Path: "/ws/second/lobby", Token: t.good, Ends: "shutdown",
			What: "A second server in this one, as at a deployment.",
		}.denied(codes.ServiceUnavailable, "restart", codes.Reconnect).by(lines.shutdown),
	}
}

func (t *tokens) handshakes() []testCase {
	const script = "script"
	return []testCase{
		testCase{
			ID: "allowed", Title: "Allowed", By: script, Path: "/rooms/lobby", Token: t.good,
			What: "A member of the room says hello, hears it and hangs up.",
			Will: will{1000, "open, heard “hello”", ""}, WillPlain: will{1000, "open, heard “hello”", ""},
		}.by(lines.chain),
		testCase{
			ID: "no-token", Title: "No token", By: script, Path: "/rooms/lobby",
			What: "The script offers the subprotocol echo.v1, and no token.",
		}.denied(codes.Unauthorized, "token_missing", codes.Refresh).by(lines.users),
		testCase{
			ID: "expired", Title: "Expired token", By: script, Path: "/rooms/lobby", Token: t.expired,
			What: "A token that ran out an hour ago. A new one would help.",
		}.denied(codes.Unauthorized, "token_expired", codes.Refresh).by(lines.users),
		testCase{
			ID: "forged", Title: "Forged signature", By: script, Path: "/rooms/lobby", Token: t.forged,
			What: "The right claims, signed with somebody else’s key.",
		}.denied(codes.Unauthorized, "token_signature_invalid", codes.Refresh).by(lines.users),
		testCase{
			ID: "audience", Title: "Wrong audience", By: script, Path: "/rooms/lobby", Token: t.wrongAudience,
			What: "A genuine token, but issued for another service.",
		}.denied(codes.Unauthorized, "token_audience_invalid", codes.Stop).by(lines.users),
		testCase{
			ID: "keys", Title: "Keys unavailable", By: script, Path: "/rooms/lobby", Token: t.unknownHost,
			What: "The key server is down. The token is not to blame.",
		}.denied(codes.ServiceUnavailable, "keys_unavailable", codes.Backoff).by(lines.unavailable),
		testCase{
			ID: "rate-limited", Title: "Rate limited", By: script, Path: "/limited/lobby", Token: t.good,
			What: "One connection in 30 seconds is allowed; this is the second.",
		}.denied(codes.TooManyRequests, "rate_limited", codes.Backoff).by(lines.limit),
		testCase{
			ID: "maintenance", Title: "Maintenance", By: script, Path: "/maintenance/lobby", Token: t.good,
			What: "A switch is on, and nobody is let in.",
		}.denied(codes.ServiceUnavailable, "maintenance", codes.Backoff).by(lines.maintenance),
		testCase{
			ID: "not-a-member", Title: "Not a member", By: script, Path: "/rooms/cellar", Token: t.good,
			What: "Signed in, but not of this room: the application’s own policy.",
		}.denied(codes.Forbidden, "not_a_member", codes.Stop).by(lines.members),
		testCase{
			ID: "foreign", Title: "Foreign origin", By: "foreign", Path: "/rooms/lobby", Token: t.good,
			What:      "The same good token, from a page of another origin.",
			Never:     "Never: codes that differ would tell any site who is signed in.",
			WillPlain: will{1006, "hides a 403", ""},
		}.by(lines.origin),
		testCase{
			ID: "wrong-version", Title: "Wrong version", By: "server", Path: "/rooms/lobby", Token: t.good,
			What:      "Version 8: no browser sends it, so a client in the server does.",
			Never:     "Never: this client speaks another protocol.",
			WillPlain: will{426, "Upgrade Required", ""},
		}.by(lines.endpoint),
		testCase{
			ID: "plain-get", Title: "Plain GET", By: "fetch", Path: "/rooms/lobby", Token: t.good,
			What:      "fetch instead of WebSocket, with the token in Authorization.",
			Never:     "Never: no handshake, and fetch can read a status.",
			WillPlain: will{426, "upgrade_required", "stop"},
		}.by(lines.endpoint),
	}
}
