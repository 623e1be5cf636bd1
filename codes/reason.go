package codes

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

const (
	// MaxReason is the most that a close frame's reason may have, in bytes: a control frame's
	// payload of 125 (RFC 6455 §5.5) less the code's two.
	MaxReason = 123
	// MaxSlug is the most that a slug may have, in bytes. With it the longest reason has 93 bytes.
	MaxSlug = 64
	// MaxAfter is the longest wait that a reason can tell, about 31 years. Longer ones are cut to it.
	MaxAfter = 999_999_999 * time.Second
)

// A Reason is what a close frame's reason says: what happened (a slug, for programs), what the client
// should do, and how long it should wait first. On the wire it is ASCII:
//
//	reason = slug [ ";do=" action ] [ ";after=" seconds ]
//	slug   = a letter a–z, then up to 63 of a–z, 0–9 and "_"
//
// The zero Reason is empty. Reasons compare with ==.
type Reason struct {
	slug   string
	action Action
	after  uint32 // seconds
}

// NewReason returns a Reason. It panics if slug is not one (see [Reason]): slugs are constants, so
// a bad one is a mistake in the program. An undefined action says nothing. A wait is rounded up to
// whole seconds; none (or a negative one) is left out.
func NewReason(slug string, do Action, after time.Duration) Reason {
	if !validSlug(slug) {
		panic(badSlug(slug))
	}
	return Reason{slug, defined(do), seconds(after)}
}

func badSlug(slug string) string {
	return fmt.Sprintf("codes: slug %q: want a letter a-z, then at most %d of a-z, 0-9 and _", slug, MaxSlug-1)
}

// Slug says what happened: "token_expired".
func (r Reason) Slug() string { return r.slug }

// Action says what the client should do; zero if the reason does not say.
func (r Reason) Action() Action { return r.action }

// After says how long the client should wait first, in whole seconds; zero if the reason does not say.
func (r Reason) After() time.Duration { return time.Duration(r.after) * time.Second }

// WithAction returns r with another action.
func (r Reason) WithAction(do Action) Reason {
	r.action = defined(do)
	return r
}

// WithAfter returns r with another wait, rounded as [NewReason] says.
func (r Reason) WithAfter(after time.Duration) Reason {
	r.after = seconds(after)
	return r
}

// Append appends r's text to dst: ASCII, at most [MaxReason] bytes.
func (r Reason) Append(dst []byte) []byte {
	dst = append(dst, r.slug...)
	if word := r.action.String(); word != "" && r.slug != "" {
		dst = append(append(dst, ";do="...), word...)
	}
	if r.after > 0 && r.slug != "" {
		dst = strconv.AppendUint(append(dst, ";after="...), uint64(r.after), 10)
	}
	return dst
}

// String returns r's text, as [Reason.Append] writes it.
func (r Reason) String() string { return string(r.Append(nil)) }

// ParseReason reads a reason as it came off the wire, from any peer. Text that does not begin with
// a slug is not of this grammar: ok is false. Parameters that are unknown, malformed or there
// already are passed over, so that the grammar can grow.
func ParseReason(text string) (r Reason, ok bool) {
	slug, rest, more := strings.Cut(text, ";")
	if !validSlug(slug) {
		return Reason{}, false
	}
	r.slug = slug
	for more {
		var param string
		param, rest, more = strings.Cut(rest, ";")
		name, value, _ := strings.Cut(param, "=")
		switch {
		case name == "do" && r.action == 0:
			r.action, _ = ParseAction(value)
		case name == "after" && r.after == 0:
			r.after = parseSeconds(value)
		}
	}
	return r, true
}

func validSlug(s string) bool {
	if s == "" || len(s) > MaxSlug || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return true
}

// defined makes an action that is none say nothing.
func defined(do Action) Action {
	if do > Reconnect {
		return 0
	}
	return do
}

func seconds(d time.Duration) uint32 {
	switch {
	case d <= 0:
		return 0
	case d >= MaxAfter:
		d = MaxAfter
	default:
		d += time.Second - 1
	}
	return uint32(d / time.Second)
}

// parseSeconds reads 1 to 9 digits; anything else is no wait.
func parseSeconds(s string) uint32 {
	if len(s) > 9 {
		return 0
	}
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return 0
	}
	return uint32(n)
}
