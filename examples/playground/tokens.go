package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/wsverdict/wsverdict/middleware"
)

const (
	issuer   = "https://id.example.com"
	audience = "playground"
	subject  = "ada"
)

// AppClaims are the claims of this application's tokens.
type AppClaims struct {
	jwt.RegisteredClaims
	Rooms []string `json:"rooms"` // that the user is a member of
}

// tokens are ES256 tokens, each good or bad in its own way, and the key that tells them apart.
type tokens struct {
	key *ecdsa.PrivateKey

	good, expired, forged, wrongAudience, unknownHost string
}

func mintTokens(now time.Time) (*tokens, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	forger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	var errs []error
	must := func(token string, err error) string {
		errs = append(errs, err)
		return token
	}
	later := now.AddDate(0, 1, 0) // longer than anybody plays
	t := &tokens{
		key:           key,
		good:          must(mint(key, "local", audience, now, later)),
		expired:       must(mint(key, "local", audience, now, now.Add(-time.Hour))),
		forged:        must(mint(forger, "local", audience, now, later)),
		wrongAudience: must(mint(key, "local", "billing", now, later)),
		unknownHost:   must(mint(key, "remote", audience, now, later)),
	}
	return t, errors.Join(errs...)
}

// short returns a good token that runs out soon: it counts in whole seconds, and is never shorter than life.
func (t *tokens) short(life time.Duration) (string, error) {
	now := time.Now()
	return mint(t.key, "local", audience, now, now.Add(life+time.Second-1))
}

func mint(key *ecdsa.PrivateKey, kid, audience string, now, expires time.Time) (string, error) {
	token := jwt.NewWithClaims(jwt.SigningMethodES256, AppClaims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer:    issuer,
			Subject:   subject,
			Audience:  jwt.ClaimStrings{audience},
			IssuedAt:  jwt.NewNumericDate(now.Add(-2 * time.Hour)),
			ExpiresAt: jwt.NewNumericDate(expires),
		},
		Rooms: []string{"lobby"},
	})
	token.Header["kid"] = kid
	return token.SignedString(key)
}

// keyfunc finds the key that a token names. That of "remote" would have to be fetched from a host that is down: not the
// token's fault, so the error says so, and the client is told to come back instead of to sign in again.
func (t *tokens) keyfunc(token *jwt.Token) (any, error) {
	switch kid := token.Header["kid"]; kid {
	case "local":
		return &t.key.PublicKey, nil
	case "remote":
		return nil, fmt.Errorf("%w: keys.example.com does not answer", middleware.ErrKeysUnavailable)
	default:
		return nil, fmt.Errorf("no key %q", kid)
	}
}
