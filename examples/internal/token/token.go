// Package token signs the tokens of tests.
package token

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

var key, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader) // fails for lack of random numbers alone

// PublicKey verifies what Sign has signed.
var PublicKey = &key.PublicKey

// Sign returns a token, by ES256.
func Sign(t testing.TB, claims jwt.Claims) string {
	t.Helper()
	s, err := jwt.NewWithClaims(jwt.SigningMethodES256, claims).SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// For are the claims of somebody, good for so long.
func For(subject string, life time.Duration) jwt.RegisteredClaims {
	return jwt.RegisteredClaims{Subject: subject, ExpiresAt: jwt.NewNumericDate(time.Now().Add(life))}
}
