package main

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/wsverdict/wsverdict/codes"
)

// A denial is what a case is refused with, in both its forms.
type denial struct {
	policy string
	code   codes.Code
	slug   string
	action string
}

var denials = map[string]denial{
	"no-token":     {"jwt", codes.Unauthorized, "token_missing", "refresh"},
	"expired":      {"jwt", codes.Unauthorized, "token_expired", "refresh"},
	"forged":       {"jwt", codes.Unauthorized, "token_signature_invalid", "refresh"},
	"audience":     {"jwt", codes.Unauthorized, "token_audience_invalid", "stop"},
	"keys":         {"jwt", codes.ServiceUnavailable, "keys_unavailable", "backoff"},
	"rate-limited": {"rate_limit", codes.TooManyRequests, "rate_limited", "backoff"},
	"maintenance":  {"maintenance", codes.ServiceUnavailable, "maintenance", "backoff"},
	"not-a-member": {"members_only", codes.Forbidden, "not_a_member", "stop"},
}

// TestCases presses every case twice and reads all columns.
func TestCases(t *testing.T) {
	tab := openPage(t, "http://"+start(t))
	checks := map[string]func(*testing.T, shown){
		"allowed":       checkAllowed,
		"foreign":       checkForeign,
		"wrong-version": checkWrongVersion,
		"plain-get":     checkPlainGet,
	}
	for id, d := range denials {
		checks[id] = d.check
	}
	for id, e := range endings {
		checks[id] = e.check
	}
	for _, id := range evaluate[[]string](t, tab, `[...document.querySelectorAll(".case")].map((item) => item.id)`) {
		check, ok := checks[id]
		if !ok {
			t.Errorf("%s: a case without a check", id)
			continue
		}
		delete(checks, id)
		t.Run(id, func(t *testing.T) {
			first := press(t, tab, id)
			check(t, first)
			if t.Failed() {
				t.Logf("the page shows:\n%s", dump(first))
			}
			second := press(t, tab, id)
			if got, want := dump(second), dump(first); withoutTime(got) != withoutTime(want) {
				t.Errorf("pressed again:\n%s\nat first:\n%s", got, want)
			}
		})
	}
	for id := range checks {
		t.Errorf("%s: the page has no such case", id)
	}
}

// check expects the close frame that the script reads on one side, and the same denial as a status on the other.
func (d denial) check(t *testing.T, s shown) {
	if s.Close == nil || s.Plain == nil {
		t.Fatal("a form is missing")
	}
	after, reason := "–", d.slug+";do="+d.action
	if d.policy == "rate_limit" { // 30 seconds less what the test took so far
		after = s.Close.Verdict["after"]
		if !regexp.MustCompile(`^([1-9]|[12]\d|30)s$`).MatchString(after) {
			t.Errorf("after: %q, want at most 30s", after)
		}
		reason += ";after=" + strings.TrimSuffix(after, "s")
	}
	status, _ := d.code.Status()

	c := s.Close
	expect(t, "close: verdict", c.Verdict, map[string]string{"policy": d.policy, "code": fmt.Sprint(int(d.code)), "slug": d.slug,
		"action": d.action, "after": after, "outcome": "closed", "status": "101", "why": "–"})
	expectStart(t, "close: wire", c.Wire["head"], "HTTP/1.1 101 Switching Protocols\nUpgrade: websocket\nConnection: Upgrade\n")
	if !strings.Contains(c.Wire["head"], "Sec-WebSocket-Protocol: echo.v1") {
		t.Errorf("close: wire: no subprotocol in %q", c.Wire["head"])
	}
	frame := append([]byte{0x88, byte(len(reason) + 2), byte(d.code >> 8), byte(d.code & 0xff)}, reason...)
	expect(t, "close: wire", c.Wire, map[string]string{
		"hex":   fmt.Sprintf("% x", frame),
		"frame": fmt.Sprintf("close: %d %s", d.code, reason),
	})
	expect(t, "close: script", c.Script, map[string]string{"open": "yes", "code": fmt.Sprint(int(d.code)), "reason": fmt.Sprintf("%q", reason),
		"wasClean": "true", "slug": d.slug, "action": d.action, "after": after})
	if c.Glance != "known" {
		t.Errorf("close: glance: %q, want known", c.Glance)
	}

	p := s.Plain
	expect(t, "status: verdict", p.Verdict, map[string]string{"policy": d.policy, "code": fmt.Sprint(int(d.code)), "slug": d.slug,
		"action": d.action, "outcome": "answered", "status": fmt.Sprint(status), "why": "hidden"})
	expectStart(t, "status: wire", p.Wire["head"], fmt.Sprintf("HTTP/1.1 %d ", status))
	expectProblem(t, p.Wire["body"], status, d.slug)
	expectNothing(t, p)
	if p.Glance != "lost" {
		t.Errorf("glance: %q, want lost", p.Glance)
	}
}

func checkAllowed(t *testing.T, s shown) {
	for form, p := range map[string]*panel{"close": s.Close, "status": s.Plain} {
		expect(t, form+": verdict", p.Verdict, map[string]string{"policy": "endpoint", "outcome": "admitted", "status": "101",
			"ended: closed by": "client", "ended: code": "1000", "ended: slug": "–", "ended: messages": "1 read, 1 written"})
		expectStart(t, form+": wire", p.Wire["head"], "HTTP/1.1 101 ")
		expect(t, form+": wire", p.Wire, map[string]string{"frame": "close: 1000"}) // the last one
		expect(t, form+": script", p.Script, map[string]string{"open": "yes", "message": "hello", "code": "1000", "wasClean": "true"})
	}
}

func checkForeign(t *testing.T, s shown) {
	if s.Close != nil {
		t.Error("a foreign origin has a close frame")
	}
	p := s.Plain
	expect(t, "verdict", p.Verdict, map[string]string{"policy": "origin", "code": "4403", "slug": "origin_not_allowed", "action": "stop",
		"outcome": "answered", "status": "403", "why": "origin"})
	expectStart(t, "wire", p.Wire["head"], "HTTP/1.1 403 ")
	expectStart(t, "script", p.Script["origin"], "http://localhost:")
	expectNothing(t, p)
	if p.Glance != "other" { // it has lost nothing that it should know
		t.Errorf("glance: %q, want other", p.Glance)
	}
}

func checkWrongVersion(t *testing.T, s shown) {
	p := s.Plain
	expect(t, "verdict", p.Verdict, map[string]string{"policy": "handshake", "code": "4426", "slug": "websocket_version_not_supported",
		"outcome": "answered", "status": "426"})
	expectStart(t, "wire", p.Wire["head"], "HTTP/1.1 426 ")
	if !strings.Contains(strings.ToLower(p.Wire["head"]), "\nsec-websocket-version: 13") {
		t.Errorf("wire: %q does not say which version would do", p.Wire["head"])
	}
	expect(t, "script", p.Script, map[string]string{"status": "426 Upgrade Required", "speaks version": "13"})
}

func checkPlainGet(t *testing.T, s shown) {
	p := s.Plain
	expect(t, "verdict", p.Verdict, map[string]string{"policy": "handshake", "code": "4426", "slug": "upgrade_required",
		"outcome": "answered", "status": "426"})
	expectStart(t, "wire", p.Wire["head"], "HTTP/1.1 426 ")
	expectProblem(t, p.Wire["body"], 426, "upgrade_required")
	expect(t, "script", p.Script, map[string]string{"status": "426 Upgrade Required", "slug": "upgrade_required"})
}

// expectNothing is what a script gets to know of a status.
func expectNothing(t *testing.T, p *panel) {
	t.Helper()
	expect(t, "script", p.Script, map[string]string{"open": "no", "code": "1006", "reason": `""`, "wasClean": "false",
		"slug": "–", "action": "–", "after": "–"})
}

func expectProblem(t *testing.T, body string, status int, slug string) {
	t.Helper()
	var problem struct {
		Status int
		Slug   string
	}
	if err := json.Unmarshal([]byte(body), &problem); err != nil || problem.Status != status || problem.Slug != slug {
		t.Errorf("wire: body %q (%v), want status %d and slug %s", body, err, status, slug)
	}
}

func expect(t *testing.T, where string, got, want map[string]string) {
	t.Helper()
	for field, value := range want {
		if got[field] != value {
			t.Errorf("%s: %s: %q, want %q", where, field, got[field], value)
		}
	}
}

func expectStart(t *testing.T, where, got, want string) {
	t.Helper()
	if !strings.HasPrefix(got, want) {
		t.Errorf("%s: %q, want it to begin with %q", where, got, want)
	}
}

func dump(s shown) string {
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		panic(err)
	}
	return string(b)
}

// What differs from one press to the next.
var (
	timely = regexp.MustCompile(`"(ended: )?(duration|after|open for)": "[^"]*"|Date: [^\\]*|Sec-WebSocket-(Accept|Key): [^\\]*|eyJ[^",\\]*`)
	waits  = regexp.MustCompile(`;after=\d+|after\\":\d+|Retry-After: \d+|;t=\d+|after \d+s|( 3b 61 66 74 65 72 3d.*)"`)
)

func withoutTime(s string) string { return waits.ReplaceAllString(timely.ReplaceAllString(s, ""), "") }
