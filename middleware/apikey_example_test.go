package middleware_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/golang-jwt/jwt/v5"

	"github.com/wsverdict/wsverdict/middleware"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

// People come with tokens, machines with API keys. Whoever it is, one key function and one question find out.
func ExampleNewAPIKeys() {
	type Plan struct{ Name string }
	database := map[middleware.APIKeyHash]middleware.APIKey[Plan]{}
	store := func(key, owner string, plan Plan) { // the key itself is shown to its owner once, and kept nowhere
		hash := middleware.HashAPIKey(key)
		database[hash] = middleware.APIKey[Plan]{Hash: hash, Subject: owner, Value: plan}
	}
	store("k_4NW5ZQ", "pump-7", Plan{"small"})

	keys := middleware.MustAPIKeys(middleware.APIKeysConfig[Plan]{
		Lookup: func(_ context.Context, hash middleware.APIKeyHash) (middleware.APIKey[Plan], bool, error) {
			key, ok := database[hash]
			return key, ok, nil
		},
	})
	users := middleware.MustJWT(middleware.JWTConfig[jwt.RegisteredClaims]{Keys: exampleKeys, Methods: []string{"ES256"}})
	limit, err := middleware.NewRateLimit(middleware.RateLimitConfig{
		Rate: middleware.PerMinute(60),
		RateFor: func(r *http.Request) (middleware.Rate, bool) {
			plan, ok := keys.Value(r)
			return middleware.PerMinute(1), ok && plan.Name == "small"
		},
		Key: middleware.BySubject,
	})
	if err != nil {
		panic(err)
	}

	ws := middleware.For(&upgrade.Upgrader{})
	whoami := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		subject, _ := policy.Subject(r)
		fmt.Fprint(w, subject)
	})
	chain := ws.Use(policy.Any(users, keys))(ws.Use(limit)(whoami))
	for _, key := range []string{"k_4NW5ZQ", "k_4NW5ZQ", "k_wrong"} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("X-Api-Key", key)
		w := httptest.NewRecorder()
		chain.ServeHTTP(w, r)
		switch w.Code {
		case http.StatusOK:
			fmt.Println(w.Code, w.Body)
		case http.StatusTooManyRequests:
			fmt.Println(w.Code, w.Header().Get("RateLimit-Policy"))
		default:
			fmt.Println(w.Code, w.Header().Get("WWW-Authenticate"))
		}
	}
	// Output:
	// 200 pump-7
	// 429 "default";q=1;w=60
	// 401 ApiKey
}
