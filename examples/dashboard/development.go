package main

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"log"
	mathrand "math/rand/v2"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/golang-jwt/jwt/v5"

	"github.com/wsverdict/wsverdict/middleware"
)

// FOR DEVELOPMENT ALONE: an issuer that believes everybody, and figures out of thin air. -issuer
// leaves it out.
type development struct {
	issuer string
	key    *ecdsa.PrivateKey
	shop   middleware.APIKey[Account] // acme's
}

// tokenLife is short, so that renewals can be seen.
var tokenLife = 90 * time.Second

// newDevelopment prints the API key of acme's shop.
func newDevelopment(site string) development {
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader) // never fails
	apiKey := rand.Text()
	log.Printf("dashboard: set a figure: curl -X PUT -H 'X-Api-Key: %s' -d 42 %s/t/acme/figures/orders", apiKey, site)
	return development{site + "/dev", key, middleware.APIKey[Account]{
		Hash: middleware.HashAPIKey(apiKey), Subject: "shop", Value: Account{"acme", "service"},
	}}
}

func (dev development) lookup(context.Context, middleware.APIKeyHash) (middleware.APIKey[Account], bool, error) {
	return dev.shop, dev.key != nil, nil
}

// routes are those of an OpenID provider, and its sign-in.
func (dev development) routes() http.Handler {
	r := chi.NewRouter()
	r.Get("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(map[string]string{"issuer": dev.issuer, "jwks_uri": dev.issuer + "/keys"})
	})
	r.Get("/keys", func(w http.ResponseWriter, _ *http.Request) {
		point, _ := dev.key.PublicKey.Bytes() // 4, x, y
		x, y := base64.RawURLEncoding.EncodeToString(point[1:33]), base64.RawURLEncoding.EncodeToString(point[33:])
		key := map[string]string{"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "dev", "x": x, "y": y}
		json.NewEncoder(w).Encode(map[string]any{"keys": []any{key}})
	})
	r.Post("/sign-in/{tenant:[a-z]{1,20}}/{user:[a-z]{1,20}}", dev.signIn)
	return r
}

// signIn answers with a token, or sets it as a cookie that no script can read. ada is an administrator.
func (dev development) signIn(w http.ResponseWriter, r *http.Request) {
	account := Account{Tenant: r.PathValue("tenant")}
	if r.PathValue("user") == "ada" {
		account.Role = "admin"
	}
	signIn := rand.Text()
	if c, err := r.Cookie("sign-in"); err == nil {
		signIn = c.Value
	}
	token := dev.token(r.PathValue("user"), account, signIn, tokenLife)
	session := &http.Cookie{Name: "session", Value: token, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode}
	if r.URL.Query().Get("by") != "cookie" {
		session.MaxAge = -1
		w.Write([]byte(token))
	}
	http.SetCookie(w, session)
	http.SetCookie(w, &http.Cookie{Name: "sign-in", Value: signIn, Path: "/dev", HttpOnly: true, SameSite: http.SameSiteStrictMode})
}

func (dev development) token(user string, account Account, signIn string, life time.Duration) string {
	token := jwt.NewWithClaims(jwt.SigningMethodES256, Claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: dev.issuer, Subject: user, Audience: jwt.ClaimStrings{"dashboard"}, ExpiresAt: jwt.NewNumericDate(time.Now().Add(life)),
		},
		Account: account, SignIn: signIn,
	})
	token.Header["kid"] = "dev"
	signed, _ := token.SignedString(dev.key) // fails for a bad key alone
	return signed
}

// feed has figures for everybody.
func (dev development) feed(ctx context.Context, d *dashboard) {
	visitors := map[string]float64{}
	for tick := time.NewTicker(time.Second); ctx.Err() == nil; <-tick.C {
		for tenant := range plans {
			now := max(1, cmp.Or(visitors[tenant], 250)+float64(mathrand.IntN(21)-10))
			d.publish(tenant, "visitors", now)
			d.publish(tenant, "revenue", now*4+float64(mathrand.IntN(30)))
			visitors[tenant] = now
		}
	}
}
