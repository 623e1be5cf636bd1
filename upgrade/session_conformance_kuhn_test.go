package upgrade_test

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// A sequence is a case of Markus Kuhn's UTF-8 decoder stress test, by its numbers there, or of what
// Unicode says beyond it.
type sequence struct {
	name  string
	bytes string
	ok    bool
}

// sequences are all of them.
func sequences() (all []sequence) {
	valid := func(name string, bytes ...string) {
		for i, b := range bytes {
			all = append(all, sequence{fmt.Sprintf("%s, %d", name, i+1), b, true})
		}
	}
	invalid := func(name string, bytes ...string) {
		for i, b := range bytes {
			all = append(all, sequence{fmt.Sprintf("%s, %d", name, i+1), b, false})
		}
	}
	span := func(from, to byte, behind string) (bytes []string) {
		for b := int(from); b <= int(to); b++ {
			bytes = append(bytes, string([]byte{byte(b)})+behind)
		}
		return bytes
	}
	valid("1", "κόσμε", "Hello-µ@ßöäüàá-UTF-8!!", "κόσμε"+"\U00010000", strings.Repeat("κόσμε", 100))
	valid("2.1 first of a length", "\x00", "\xc2\x80", "\xe0\xa0\x80", "\xf0\x90\x80\x80")
	invalid("2.1 first of a length", "\xf8\x88\x80\x80\x80", "\xfc\x84\x80\x80\x80\x80")
	valid("2.2 last of a length", "\x7f", "\xdf\xbf", "\xef\xbf\xbf")
	invalid("2.2 last of a length", "\xf7\xbf\xbf\xbf", "\xfb\xbf\xbf\xbf\xbf", "\xfd\xbf\xbf\xbf\xbf\xbf")
	valid("2.3 borders", "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbd", "\xf4\x8f\xbf\xbf")
	invalid("2.3 borders", "\xf4\x90\x80\x80")
	for n := range 8 {
		invalid("3.1 continuations alone", strings.Repeat("\x80\xbf", n)+"\x80", strings.Repeat("\x80\xbf", n+1))
	}
	invalid("3.1.9 every continuation", span(0x80, 0xbf, "")...)
	invalid("3.2 beginnings alone", span(0xc0, 0xfd, " ")...)
	lacking := []string{"\xc0", "\xe0\x80", "\xf0\x80\x80", "\xf8\x80\x80\x80", "\xfc\x80\x80\x80\x80",
		"\xdf", "\xef\xbf", "\xf7\xbf\xbf", "\xfb\xbf\xbf\xbf", "\xfd\xbf\xbf\xbf\xbf"}
	invalid("3.3 last continuation lacking", lacking...)
	invalid("3.4 all of them", strings.Join(lacking, ""))
	invalid("3.5 impossible bytes", "\xfe", "\xff", "\xfe\xfe\xff\xff")
	invalid("4.1 overlong", "\xc0\xaf", "\xe0\x80\xaf", "\xf0\x80\x80\xaf", "\xf8\x80\x80\x80\xaf", "\xfc\x80\x80\x80\x80\xaf")
	invalid("4.2 longest overlong", "\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf", "\xf8\x87\xbf\xbf\xbf", "\xfc\x83\xbf\xbf\xbf\xbf")
	invalid("4.3 overlong NUL", "\xc0\x80", "\xe0\x80\x80", "\xf0\x80\x80\x80", "\xf8\x80\x80\x80\x80", "\xfc\x80\x80\x80\x80\x80")
	surrogates := []string{"\xed\xa0\x80", "\xed\xad\xbf", "\xed\xae\x80", "\xed\xaf\xbf", "\xed\xb0\x80", "\xed\xbe\x80", "\xed\xbf\xbf"}
	invalid("5.1 surrogates", surrogates...)
	for _, high := range surrogates[:4] {
		invalid("5.2 surrogate pairs", high+surrogates[4], high+surrogates[6])
	}
	for plane := rune(0); plane <= 16; plane++ {
		valid("6 no characters, but valid", string(plane<<16|0xfffe), string(plane<<16|0xffff), string(plane<<16|0xfffd))
	}
	valid("6 behind a byte order mark", "\ufeff", "\ufffe", "\ufffd")
	return all
}

// around puts a sequence between other characters.
func (s sequence) around(before, behind string) sequence {
	s.bytes = before + s.bytes + behind
	return s
}

// offending is the place of the byte at which p can't become valid any more, -1 for none. It tries,
// and knows nothing of UTF-8.
func offending(p string) int {
	for i := range len(p) {
		if !viable(p[:i+1], utf8.UTFMax-1) {
			return i
		}
	}
	return -1
}

func viable(p string, more int) bool {
	if utf8.ValidString(p) {
		return true
	}
	for _, next := range []string{"\x80", "\x90", "\xa0"} { // one of each class that RFC 3629 §4 tells apart
		if more > 0 && viable(p+next, more-1) {
			return true
		}
	}
	return false
}
