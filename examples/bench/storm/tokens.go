package storm

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

var secret = sha256.Sum256([]byte("a secret of 32 bytes"))

// An issuer signs a token for each of its users. What it has signed once it keeps: signing is nobody's work that is measured.
type issuer struct {
	alg      string
	signs    any
	verifies []byte // in the form that [verifier] reads

	mu     sync.Mutex
	signed map[time.Duration][]string // by how long they are good
}

var issuers = map[string]func() *issuer{
	"HS256": sync.OnceValue(func() *issuer { return newIssuer("HS256", secret[:]) }),
	"ES256": sync.OnceValue(func() *issuer { return newIssuer("ES256", must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))) }),
	"RS256": sync.OnceValue(func() *issuer { return newIssuer("RS256", must(rsa.GenerateKey(rand.Reader, 2048))) }),
}

func newIssuer(alg string, key any) *issuer {
	i := &issuer{alg: alg, signs: key, signed: map[time.Duration][]string{}}
	if signer, ok := key.(crypto.Signer); ok {
		i.verifies = must(x509.MarshalPKIXPublicKey(signer.Public()))
	} else {
		i.verifies = key.([]byte)
	}
	return i
}

// verifier reads what an issuer says its tokens are verified with.
func verifier(alg string, b []byte) (any, error) {
	if alg == "HS256" {
		return b, nil
	}
	return x509.ParsePKIXPublicKey(b)
}

const (
	good    = 24 * time.Hour
	expired = -time.Hour
)

// tokens are those of n users.
func (i *issuer) tokens(n int, life time.Duration) []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	now := time.Now()
	for k := len(i.signed[life]); k < n; k++ {
		token := jwt.NewWithClaims(jwt.GetSigningMethod(i.alg), jwt.RegisteredClaims{
			Subject:   fmt.Sprintf("user-%05d", k),
			IssuedAt:  jwt.NewNumericDate(now.Add(-2 * time.Hour)),
			ExpiresAt: jwt.NewNumericDate(now.Add(life)),
		})
		i.signed[life] = append(i.signed[life], must(token.SignedString(i.signs)))
	}
	return i.signed[life][:n]
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
