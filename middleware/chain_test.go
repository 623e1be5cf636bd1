package middleware_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/wsverdict/wsverdict/middleware"
	"github.com/wsverdict/wsverdict/policy"
)

// What a newcomer may get wrong is said in words, all of it at once, before the first request.
func TestMistakesAreNamed(t *testing.T) {
	secret := []byte(strings.Repeat("s", 32))
	for _, tc := range []struct {
		name  string
		mount func()
		want  []string
	}{
		{
			name: "names of token sources",
			mount: func() {
				middleware.MustJWT(middleware.JWTConfig[jwt.RegisteredClaims]{
					Keys: middleware.StaticKey(secret), Methods: []string{"HS256"}, Audience: []string{""},
					From: middleware.TokenSources{middleware.Subprotocol("bea rer"), middleware.Cookie("a b"), middleware.Query("")},
				})
			},
			want: []string{`Subprotocol: "bea rer" is no token`, `Cookie: "a b" is no token`, "Query: the name is empty", "Audience: an element is empty"},
		},
		{
			name: "unknown method, no key",
			mount: func() {
				middleware.MustJWT(middleware.JWTConfig[jwt.RegisteredClaims]{
					Keys: middleware.StaticKey(nil), Methods: []string{"HS256", "foo"},
				})
			},
			want: []string{"the key is nil", `"foo" is not among golang-jwt's ["ES256" "ES384" "ES512" "EdDSA" "HS256"`},
		},
		{
			name:  "seats",
			mount: func() { middleware.MustSeats(middleware.SeatsConfig{Timeout: -1}) },
			want:  []string{"Max must be positive", "Timeout is negative"},
		},
		{name: "zero Chain: Use", mount: func() { middleware.Chain{}.Use(policy.Func(nil)) }, want: []string{"middleware.For(up) makes one"}},
		{name: "zero Chain: Shadow", mount: func() { middleware.Chain{}.Shadow(policy.Func(nil)) }, want: []string{"middleware.For(up) makes one"}},
		{name: "zero Chain: Origin", mount: func() { middleware.Chain{}.Origin("https://app.example.com") }, want: []string{"middleware.For(up) makes one"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := fmt.Sprint(panicOf(tc.mount))
			for _, want := range tc.want {
				if !strings.Contains(got, want) {
					t.Errorf("got %s\nwant %s in it", got, want)
				}
			}
		})
	}
}

func panicOf(f func()) (x any) {
	defer func() { x = recover() }()
	f()
	return nil
}
