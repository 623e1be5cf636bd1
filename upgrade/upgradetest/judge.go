package upgradetest

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// An Answer is what one client got to know.
type Answer struct {
	// Status is the HTTP status. It is 101 for an admission and for a refusal by a close frame.
	Status int

	Header http.Header
	Body   []byte // of a status other than 101

	// Code and Reason are those of the close frame that came with the 101: 0 and "" where there
	// was none.
	Code   uint16
	Reason string

	// Problem is the body where it is an application/problem+json.
	Problem Problem
}

// A Problem is the HTTP form of a denial (RFC 9457).
type Problem struct {
	Status int
	Title  string
	Detail string
	Code   int
	Slug   string
	Action string
	After  int // seconds
}

// Admitted reports whether a session began.
func (a Answer) Admitted() bool { return a.Status == http.StatusSwitchingProtocols && a.Code == 0 }

// WantAdmitted wants the beginning of a session.
func (a Answer) WantAdmitted(t testing.TB) {
	t.Helper()
	if !a.Admitted() {
		t.Errorf("got %v, want an admission", a)
	}
}

// WantClose wants a refusal by close frame: WantClose(t, 4401, "token_expired;do=refresh").
func (a Answer) WantClose(t testing.TB, code uint16, reason string) {
	t.Helper()
	if a.Status != http.StatusSwitchingProtocols || a.Code != code || a.Reason != reason {
		t.Errorf("got %v, want the close frame %d %q", a, code, reason)
	}
}

// WantStatus wants a status, of a denial with this slug: WantStatus(t, 401, "token_expired"). The slug
// of an answer that is no denial is "".
func (a Answer) WantStatus(t testing.TB, status int, slug string) {
	t.Helper()
	if a.Status != status || a.Problem.Slug != slug {
		t.Errorf("got %v, want %d %q", a, status, slug)
	}
}

// String is short, for the messages of tests.
func (a Answer) String() string {
	b, _ := json.Marshal(struct {
		Status int
		Code   uint16 `json:",omitempty"`
		Reason string `json:",omitempty"`
		Body   string `json:",omitempty"`
	}{a.Status, a.Code, a.Reason, string(a.Body)})
	return string(b)
}

// Judge sends one request twice to h, a chain with its endpoint or a whole router, and returns both
// of its answers: to a browser's handshake, with the Origin of its own host, and to a plain GET,
// which is what every other client, and an ordinary route behind the same links, gets to see.
// fields are names and values of header fields of both, in pairs; an Origin among them replaces the
// browser's own, and an empty one takes it away.
//
// A session that the handshake began is left at once.
func Judge(t testing.TB, h http.Handler, target string, fields ...string) (browser, plain Answer) {
	t.Helper()
	l := listen(t, h)
	handshake, request := Header(fields...), http.Header{}
	for i := 0; i < len(fields); i += 2 {
		request.Add(fields[i], fields[i+1])
	}
	switch origin, given := request["Origin"]; {
	case !given:
		handshake.Set("Origin", "http://"+host)
	case origin[0] == "":
		handshake.Del("Origin")
		request.Del("Origin")
	}
	return l.ask(t, target, handshake), l.ask(t, target, request)
}

// host is what clients in memory call the server.
const host = "app.example.com"

func (l *listener) ask(t testing.TB, target string, header http.Header) (a Answer) {
	t.Helper()
	c := l.connect(t)
	defer c.Close()
	c.request(target, host, header)
	a.Status, a.Header = c.Response.StatusCode, c.Response.Header
	if a.Status != http.StatusSwitchingProtocols {
		a.Body, _ = io.ReadAll(c.Response.Body)
		if strings.HasPrefix(a.Header.Get("Content-Type"), "application/problem+json") {
			if err := json.Unmarshal(a.Body, &a.Problem); err != nil {
				t.Errorf("no problem document: %v: %s", err, a.Body)
			}
		}
		return a
	}
	if c.In.Buffered() > 0 { // of the same write
		a.Code, a.Reason = c.ReadClose()
		c.Bye()
	}
	return a
}

// Open connects to h in memory and wants its handshake answered with 101, as [Dial] does over a
// socket.
func Open(t testing.TB, h http.Handler, target string, fields ...string) *Client {
	t.Helper()
	c := listen(t, h).connect(t)
	c.request(target, host, Header(fields...))
	c.wantSwitched()
	c.Pongs = true
	return c
}

// patience is when a client gives up. Where time is a test's own, a day passes in no time.
func patience() time.Time {
	if inBubble() {
		return time.Now().Add(24 * time.Hour)
	}
	return time.Now().Add(Patience)
}
