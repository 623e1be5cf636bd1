package handshake

import (
	"iter"
	"strings"
)

// Tokens yields the elements of a comma-separated list of tokens over all its lines (RFC 9110
// §5.6.1). Empty elements are passed over; at the first malformed element it yields false and ends.
func Tokens(lines []string) iter.Seq2[string, bool] {
	return func(yield func(string, bool) bool) {
		for _, line := range lines {
			for more := true; more; {
				var element string
				element, line, more = strings.Cut(line, ",")
				element = strings.Trim(element, " \t")
				if element == "" {
					continue
				}
				if ok := IsToken(element); !yield(element, ok) || !ok {
					return
				}
			}
		}
	}
}

// HasToken reports whether the list has the token, in any case. It stops at the first malformed
// element.
func HasToken(lines []string, token string) bool {
	if len(lines) == 1 && lines[0] == token {
		return true // what browsers send
	}
	for element, ok := range Tokens(lines) {
		if ok && strings.EqualFold(element, token) {
			return true
		}
	}
	return false
}

// IsToken is RFC 9110 §5.6.2.
func IsToken(s string) bool {
	for i := range len(s) {
		if !tokenChars[s[i]] {
			return false
		}
	}
	return s != ""
}

var tokenChars = func() (t [256]bool) {
	for c := byte('0'); c <= 'z'; c++ {
		t[c] = isAlpha(c) || isDigit(c)
	}
	for _, c := range []byte("!#$%&'*+-.^_`|~") {
		t[c] = true
	}
	return t
}()

func isAlpha(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
func isDigit(c byte) bool { return c >= '0' && c <= '9' }
