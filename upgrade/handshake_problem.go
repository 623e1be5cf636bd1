package upgrade

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade/internal/handshake"
)

var problems = sync.Pool{New: func() any { b := make([]byte, 0, 512); return &b }}

// writeProblem answers with a denial's HTTP form: application/problem+json (RFC 9457) that says no more
// than the close frame would, and Retry-After (RFC 9110 §10.2.3) where a wait is known.
func writeProblem(w http.ResponseWriter, r *http.Request, v *policy.Verdict, why Why) error {
	// A proxy that opens its tunnel without looking at the status must find nobody at its end: what
	// the client sends next would reach this server as a request of its own. And net/http would
	// wait for the body of what pretends to be a handshake.
	closes := len(r.Header["Upgrade"]) > 0 && r.ProtoMajor == 1
	writeProblemHeader(w.Header(), v, closes, why == WhyOrigin)
	if r.ProtoMajor > 1 {
		handshake.DeleteHopByHop(w.Header())
	}
	w.WriteHeader(v.Status())
	if r.Method == http.MethodHead {
		return nil
	}
	b := problems.Get().(*[]byte)
	*b = appendProblem((*b)[:0], v)
	_, err := w.Write(*b)
	problems.Put(b)
	return err
}

// isContent reports whether a field describes what an outer handler prepared, which is not true of a
// denial: its content, how long it may be kept, and how to ask for parts of it.
func isContent(name string) bool {
	switch name {
	case "Age", "Accept-Ranges", "Cache-Control", "Etag", "Expires", "Last-Modified", "Pragma":
		return true
	}
	return strings.HasPrefix(name, "Content-") && name != "Content-Security-Policy"
}

func writeProblemHeader(h http.Header, v *policy.Verdict, closes, byOrigin bool) {
	for name := range h {
		if isContent(name) {
			delete(h, name)
		}
	}
	n := 6
	for range v.Header() {
		n++
	}
	// One array for all values, none of it shared with another response: middlewares rewrite values
	// in place.
	values := make([]string, n)
	set := func(name, value string) {
		values[0] = value
		h[name], values = values[:1:1], values[1:]
	}
	set("Content-Type", "application/problem+json")
	set("X-Content-Type-Options", "nosniff")
	set("Cache-Control", "no-store")
	if after := v.After(); after > 0 {
		set("Retry-After", strconv.FormatInt(int64(after/time.Second), 10))
	}
	add := func(name, value string) {
		if old, ok := h[name]; ok {
			h[name] = append(old[:len(old):len(old)], value)
		} else {
			set(name, value)
		}
	}
	if closes {
		set("Connection", "close") // before all others: net/http looks at the first value
	}
	if byOrigin {
		add("Vary", "Origin")
	}
	for name, value := range v.Header() {
		add(name, value)
	}
}

func appendProblem(b []byte, v *policy.Verdict) []byte {
	status := v.Status()
	b = strconv.AppendInt(append(b, `{"status":`...), int64(status), 10)
	b = appendJSON(append(b, `,"title":`...), http.StatusText(status))
	b = appendJSON(append(b, `,"detail":`...), v.Detail())
	b = strconv.AppendInt(append(b, `,"code":`...), int64(v.Code()), 10)
	b = appendJSON(append(b, `,"slug":`...), v.Slug())
	b = appendJSON(append(b, `,"action":`...), v.Action().String())
	if after := v.After(); after > 0 {
		b = strconv.AppendInt(append(b, `,"after":`...), int64(after/time.Second), 10)
	}
	return append(b, '}', '\n')
}

// appendJSON appends s as a JSON string. What needs no escape, nearly all there is here, is copied.
func appendJSON(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			escaped, _ := json.Marshal(s) // cannot fail for a string
			return append(b, escaped...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}
