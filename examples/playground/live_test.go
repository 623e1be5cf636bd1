package main

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// An ending is what an allowed connection is closed with later.
type ending struct {
	code   string
	slug   string
	action string
	after  string // a pattern; "" for none
}

var endings = map[string]ending{
	"runs-out":  {"4401", "token_expired", "refresh", ""},
	"banned":    {"4403", "banned", "stop", ""},
	"drained":   {"4503", "maintenance", "backoff", `2[0-9]|3[01]`}, // half a minute, a second, and less what the test took
	"shut-down": {"4503", "restart", "reconnect", `[1-5]`},
}

// check expects an admission, an echo, and then the end that the Observer, the wire and the script agree on.
func (e ending) check(t *testing.T, s shown) {
	if s.Close == nil || s.Plain != nil {
		t.Fatal("want a close frame, and no status")
	}
	c := s.Close
	after, reason := "–", e.slug+";do="+e.action
	if e.after != "" {
		after = c.Script["after"]
		if !regexp.MustCompile(`^(` + e.after + `)s$`).MatchString(after) {
			t.Errorf("after: %q, want %s", after, e.after)
		}
		reason += ";after=" + strings.TrimSuffix(after, "s")
	}
	expect(t, "verdict", c.Verdict, map[string]string{"policy": "endpoint", "outcome": "admitted", "status": "101",
		"ended: closed by": "server", "ended: code": e.code, "ended: slug": e.slug, "ended: action": e.action, "ended: after": after,
		"ended: messages": "1 read, 1 written"})
	expectStart(t, "wire", c.Wire["head"], "HTTP/1.1 101 Switching Protocols\n")
	expect(t, "wire", c.Wire, map[string]string{"frame": fmt.Sprintf("close: %s %s", e.code, reason)}) // the last one
	expect(t, "script", c.Script, map[string]string{"open": "yes", "message": "hello", "code": e.code, "reason": fmt.Sprintf("%q", reason),
		"wasClean": "true", "slug": e.slug, "action": e.action, "after": after})
	if c.Glance != "known" {
		t.Errorf("glance: %q, want known", c.Glance)
	}
}
