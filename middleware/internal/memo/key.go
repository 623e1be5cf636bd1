package memo

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/fips140"
	"crypto/rand"
	"sync"
)

// A Key is as good as random: a keyed hash of whatever is remembered.
type Key [16]byte

// A Hash makes Keys of texts: GMAC over the whole text (NIST SP 800-38D), under a random key that is
// used for nothing else, with one nonce. It is safe for concurrent use.
//
// With one nonce GMAC is GHASH, a universal hash, plus a constant. Two different texts, whoever chose
// them without the secret, have the same Key with a chance of (n/16+2)/2¹²⁸ for n bytes, less than
// 2⁻¹¹⁸ for 8 KiB: their difference is a polynomial of that degree, and the secret would be one of its
// roots. That holds while no Key is seen by anybody. Who can tell whether a text is remembered learns
// for each pair of texts that they differ, which rules out those few roots.
//
// SHA-256 would be as safe, and take twice the time on processors that have instructions for it, and
// far more on others.
type Hash struct{ mac cipher.AEAD }

// NewHash returns a Hash with a secret of its own.
func NewHash() (h Hash) {
	var secret [16]byte
	rand.Read(secret[:]) // never fails
	block, err := aes.NewCipher(secret[:])
	if err == nil {
		// Nothing is encrypted and nobody is authenticated by it, so a process in FIPS mode may use it.
		fips140.WithoutEnforcement(func() { h.mac, err = cipher.NewGCM(block) })
	}
	if err != nil {
		panic(err) // the secret has a length that AES knows
	}
	return h
}

var nonce [12]byte

type scratch struct {
	text []byte
	key  Key
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// Key does not allocate, once it has seen texts as long.
func (h Hash) Key(text string) Key {
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	return h.key(s, text)
}

func (h Hash) key(s *scratch, text string) Key {
	s.text = append(s.text[:0], text...)
	h.mac.Seal(s.key[:0], nonce[:], nil, s.text)
	clear(s.text) // no token stays behind
	return s.key
}
