package frame

import "unicode/utf8"

// A Text validates UTF-8 in pieces, and finds an invalid byte as soon as it is there (RFC 6455
// §8.1): what a piece leaves unfinished, at most three bytes, waits for the next.
type Text struct {
	rest [utf8.UTFMax]byte
	n    uint8
}

// Write reports whether the text may still become valid.
func (t *Text) Write(p []byte) bool {
	for t.n > 0 && len(p) > 0 {
		t.rest[t.n] = p[0]
		t.n++
		p = p[1:]
		if utf8.FullRune(t.rest[:t.n]) {
			if r, size := utf8.DecodeRune(t.rest[:t.n]); r == utf8.RuneError && size == 1 {
				return false
			}
			t.n = 0
		}
	}
	if t.n > 0 {
		return true
	}
	whole := len(p)
	for back := 1; back < utf8.UTFMax && back <= len(p); back++ {
		if c := p[len(p)-back]; utf8.RuneStart(c) {
			if !utf8.FullRune(p[len(p)-back:]) {
				whole = len(p) - back
			}
			break
		}
	}
	t.n = uint8(copy(t.rest[:], p[whole:]))
	return utf8.Valid(p[:whole])
}

// End reports whether the text is whole, and makes ready for the next.
func (t *Text) End() bool {
	whole := t.n == 0
	t.n = 0
	return whole
}
