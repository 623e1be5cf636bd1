// Package unique finds JSON objects that two readers understand differently: encoding/json takes
// the last of several members with the same name, and takes "SUB" for "sub"; others take the first,
// or know names by their case (RFC 8259 §4, RFC 7519 §4).
package unique

import (
	"encoding/json"
	"errors"
	"slices"
	"unicode"
	"unicode/utf8"
)

// What is wrong with an object.
var (
	ErrDuplicate = errors.New("two names are the same, case aside")
	ErrVariant   = errors.New("a registered name in another case")
	ErrTooMany   = errors.New("too many names")
	ErrNoObject  = errors.New("it is not one JSON object")
)

// MaxNames is how many members an object may have. Looking for duplicates costs the square of it,
// some microseconds.
const MaxNames = 128

// A Name is one that is known by its case: see [Check].
type Name struct {
	text string
	hash uint64
}

// Names returns the names of these texts, which are ASCII.
func Names(texts ...string) (names []Name) {
	for _, text := range texts {
		names = append(names, Name{text, foldASCII([]byte(text))})
	}
	return names
}

// Check looks at the names of a JSON object's own members, not at those inside their values. No two
// may be equal under case folding, and one that is equal to one of exact under case folding must be
// equal to it. It allocates only for names with escapes or beyond ASCII.
//
// data must be valid JSON, which who decodes it has found out; for what is not, the answer is any,
// and no panic.
func Check(data []byte, exact []Name) error {
	var seen [MaxNames]uint64 // hashes of names
	n := 0
	s := scanner{data: data}
	if !s.take('{') {
		return ErrNoObject
	}
	for first := true; !s.take('}'); first = false {
		if !first && !s.take(',') {
			return ErrNoObject
		}
		quoted, plain, ok := s.text()
		if !ok || !s.take(':') || !s.skip() {
			return ErrNoObject
		}
		name, hash, ok := fold(quoted, plain)
		if !ok {
			return ErrNoObject
		}
		for _, e := range exact {
			if e.hash == hash && e.text != string(name) {
				return ErrVariant
			}
		}
		if slices.Contains(seen[:n], hash) {
			return ErrDuplicate
		}
		if n == MaxNames {
			return ErrTooMany
		}
		seen[n] = hash
		n++
	}
	if s.space(); s.i != len(data) {
		return ErrNoObject
	}
	return nil
}

// The hash of what all case variants of a name have in common is 64 bits of FNV-1a: names that
// collide are somebody's purpose, and refused as if they were equal.
const offset, prime = 14695981039346656037, 1099511628211

// fold returns a name without its quotes, and its hash. It folds as encoding/json does: "ſub" is a
// "sub".
func fold(quoted []byte, plain bool) (name []byte, hash uint64, ok bool) {
	if plain {
		name = quoted[1 : len(quoted)-1]
		return name, foldASCII(name), true
	}
	var text string
	if json.Unmarshal(quoted, &text) != nil {
		return nil, 0, false
	}
	hash = offset
	var buf [utf8.UTFMax]byte
	for _, r := range text {
		for { // to the smallest of those that fold together
			next := unicode.SimpleFold(r)
			if next <= r {
				r = next
				break
			}
			r = next
		}
		for _, c := range buf[:utf8.EncodeRune(buf[:], r)] {
			hash = (hash ^ uint64(c)) * prime
		}
	}
	return []byte(text), hash, true
}

func foldASCII(name []byte) uint64 {
	hash := uint64(offset)
	for _, c := range name {
		if 'a' <= c && c <= 'z' { // the smaller of the two
			c -= 'a' - 'A'
		}
		hash = (hash ^ uint64(c)) * prime
	}
	return hash
}

type scanner struct {
	data []byte
	i    int
}

func (s *scanner) space() {
	for s.i < len(s.data) {
		switch s.data[s.i] {
		case ' ', '\t', '\r', '\n':
			s.i++
		default:
			return
		}
	}
}

// take steps over c, if it is the next thing.
func (s *scanner) take(c byte) bool {
	if s.space(); s.i < len(s.data) && s.data[s.i] == c {
		s.i++
		return true
	}
	return false
}

// text steps over a string, and returns it with its quotes; plain says that its bytes are its
// characters.
func (s *scanner) text() (quoted []byte, plain, ok bool) {
	if s.space(); s.i >= len(s.data) || s.data[s.i] != '"' {
		return nil, false, false
	}
	plain = true
	for i := s.i + 1; i < len(s.data); i++ {
		switch c := s.data[i]; {
		case c == '"':
			quoted = s.data[s.i : i+1]
			s.i = i + 1
			return quoted, plain, true
		case c == '\\':
			plain = false
			i++
		case c >= utf8.RuneSelf:
			plain = false
		}
	}
	return nil, false, false
}

// skip steps over a value.
func (s *scanner) skip() bool {
	s.space()
	start, depth := s.i, 0
	for s.i < len(s.data) {
		switch s.data[s.i] {
		case '"':
			if _, _, ok := s.text(); !ok {
				return false
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return s.i > start
			}
			depth--
		case ',':
			if depth == 0 {
				return s.i > start
			}
		}
		s.i++
	}
	return false
}
