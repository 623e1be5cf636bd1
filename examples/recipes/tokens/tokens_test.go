// Package tokens runs the code of docs/tokens.md.
package tokens

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/golang-jwt/jwt/v5"

	"github.com/wsverdict/wsverdict/examples/internal/token"
	"github.com/wsverdict/wsverdict/middleware"
	"github.com/wsverdict/wsverdict/middleware/jwks"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
	"github.com/wsverdict/wsverdict/upgrade/upgradetest"
)

type AppClaims struct{ jwt.RegisteredClaims }

func newUsers(ctx context.Context, issuer string) (*middleware.JWT[AppClaims], error) {
	keys, err := jwks.New(ctx, jwks.Config{Issuer: issuer}) // or URL: that of the set itself
	if err != nil {
		return nil, err // a mistake in the configuration; no network was asked
	}
	users, err := middleware.NewJWT(middleware.JWTConfig[AppClaims]{
		Keys: keys, Methods: []string{"ES256"},
		Issuer: issuer, Audience: []string{"chat"},
		Remember: 100_000, // who comes back with the same token is not verified again
	})
	return users, err
}

// provider is an OpenID provider's metadata and keys.
func provider(t *testing.T) (issuer string) {
	mux := http.NewServeMux()
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	point, err := token.PublicKey.Bytes() // SEC 1: 4, x, y
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, srv.URL, srv.URL+"/keys")
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"keys":[{"kty":"EC","crv":"P-256","alg":"ES256","x":%q,"y":%q}]}`, encode(point[1:33]), encode(point[33:]))
	})
	return srv.URL
}

func TestJWKS(t *testing.T) {
	issuer := provider(t)
	users, err := newUsers(t.Context(), issuer)
	if err != nil {
		t.Fatal(err)
	}
	h := chain(policy.Any(users))
	claims := token.For("alice", time.Hour)
	claims.Issuer, claims.Audience = issuer, jwt.ClaimStrings{"chat"}
	upgradetest.Eventually(t, "the keys are there", func() bool { // later than a handshake waits, on a busy machine
		_, plain := upgradetest.Judge(t, h, "/ws", "Authorization", "Bearer "+token.Sign(t, AppClaims{claims}), "Origin", page)
		return plain.Status != http.StatusServiceUnavailable
	})
	for range 2 {
		browser, _ := upgradetest.Judge(t, h, "/ws", "Authorization", "Bearer "+token.Sign(t, AppClaims{claims}), "Origin", page)
		browser.WantAdmitted(t)
	}
	claims.Audience = jwt.ClaimStrings{"mail"}
	browser, _ := upgradetest.Judge(t, h, "/ws", "Authorization", "Bearer "+token.Sign(t, AppClaims{claims}), "Origin", page)
	browser.WantClose(t, 4401, "token_audience_invalid;do=stop")

	if _, err := newUsers(t.Context(), "id.example.com"); err == nil {
		t.Error("an issuer without https:// is no mistake")
	}
}

// A Plan is what a customer has paid for.
type Plan struct{ PerMinute int }

type table map[middleware.APIKeyHash]middleware.APIKey[Plan]

var database = table{}

func (t table) find(_ context.Context, hash middleware.APIKeyHash) (middleware.APIKey[Plan], bool, error) {
	key, ok := t[hash]
	return key, ok, nil
}

var apiKeys = middleware.MustAPIKeys(middleware.APIKeysConfig[Plan]{
	Lookup: func(ctx context.Context, hash middleware.APIKeyHash) (middleware.APIKey[Plan], bool, error) {
		return database.find(ctx, hash) // by middleware.HashAPIKey(key): the key itself is kept nowhere
	},
})

var perUser = middleware.RateLimitConfig{
	Rate: middleware.PerMinute(60),
	RateFor: func(r *http.Request) (middleware.Rate, bool) {
		plan, ok := apiKeys.Value(r) // of whom an API key admitted
		return middleware.PerMinute(plan.PerMinute), ok
	},
	Key: middleware.BySubject,
}

const page = "https://app.example.com"

// chain admits by one of the policies.
func chain(users policy.Policy) http.Handler {
	up := &upgrade.Upgrader{}
	chat := upgradetest.Run(upgradetest.Echo)
	ws, r := middleware.For(up), chi.NewRouter()
	r.With(
		ws.Origin("https://app.example.com"),
		ws.Use(policy.Any(users, apiKeys)),
		ws.RateLimit(perUser),
	).Handle("/ws", up.Handler(chat))
	return r
}

func TestAPIKeysBesideTokens(t *testing.T) {
	hash := middleware.HashAPIKey("k_4NW5ZQ")
	database[hash] = middleware.APIKey[Plan]{Hash: hash, Subject: "pump-7", Value: Plan{2}}
	users := middleware.MustJWT(middleware.JWTConfig[AppClaims]{Keys: middleware.StaticKey(token.PublicKey), Methods: []string{"ES256"}})
	h := chain(users)

	bearer := "Bearer " + token.Sign(t, AppClaims{token.For("alice", time.Hour)})
	browser, _ := upgradetest.Judge(t, h, "/ws", "Authorization", bearer, "Origin", page)
	browser.WantAdmitted(t)
	browser, _ = upgradetest.Judge(t, h, "/ws", "X-Api-Key", "k_4NW5ZQ", "Origin", page) // the second request is the plain one
	browser.WantAdmitted(t)
	_, plain := upgradetest.Judge(t, h, "/ws", "X-Api-Key", "k_4NW5ZQ", "Origin", page)
	plain.WantStatus(t, 429, "rate_limited")
	browser, plain = upgradetest.Judge(t, h, "/ws", "X-Api-Key", "k_wrong", "Origin", page)
	browser.WantClose(t, 4401, "api_key_invalid;do=stop")
	plain.WantStatus(t, 401, "api_key_invalid")
	browser, _ = upgradetest.Judge(t, h, "/ws", "Origin", page)
	browser.WantClose(t, 4401, "token_missing;do=refresh")
}
