package middleware_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"net/http"
	"net/http/httptest"
	"runtime/debug"
	"slices"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/wsverdict/wsverdict/middleware"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

func newRequest(t testing.TB, set ...string) *http.Request {
	t.Helper()
	r := httptest.NewRequest("GET", "https://app.example.com/ws", nil)
	for i := 0; i < len(set); i += 2 {
		r.Header.Add(set[i], set[i+1])
	}
	return r
}

// bearing is a request with a token.
func bearing(t testing.TB, token string) *http.Request {
	t.Helper()
	return newRequest(t, "Authorization", "Bearer "+token)
}

// checkVerdict compares what a client would get to know.
func checkVerdict(t *testing.T, v policy.Verdict, status int, reason string) {
	t.Helper()
	if v.Status() != status || v.Reason().String() != reason {
		t.Errorf("got %d %q (cause: %v), want %d %q", v.Status(), v.Reason(), v.Cause(), status, reason)
	}
}

// mistakes returns how many mistakes a constructor's error lists.
func mistakes(t *testing.T, err error) int {
	t.Helper()
	var config *middleware.ConfigError
	if !errors.As(err, &config) {
		t.Fatalf("got %v, want a ConfigError", err)
	}
	return len(config.Mistakes)
}

// panicError returns the error that f panics with.
func panicError(t *testing.T, f func()) (err error) {
	t.Helper()
	defer func() {
		t.Helper()
		x := recover()
		if x == nil {
			t.Fatal("no panic")
		}
		err, _ = x.(error)
	}()
	f()
	return nil
}

// chainOf has f see the claims of a request, as a handler behind the policy does.
func chainOf[C any](t *testing.T, users *middleware.JWT[C], r *http.Request, f func(C)) {
	t.Helper()
	seen := false
	ws := middleware.For(&upgrade.Upgrader{})
	ws.Use(users)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		c, ok := users.Claims(r)
		seen = ok
		f(c)
	})).ServeHTTP(httptest.NewRecorder(), r)
	if !seen {
		t.Error("no claims")
	}
}

type appClaims struct {
	Role string `json:"role"`
	jwt.RegisteredClaims
}

var testKey = newKey()

func newKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
}

// goodClaims are accepted by testConfig; edit changes them.
func goodClaims(edit ...func(*appClaims)) appClaims {
	c := appClaims{Role: "admin", RegisteredClaims: jwt.RegisteredClaims{
		Subject: "alice", Issuer: "https://id.example.com", Audience: jwt.ClaimStrings{"chat"},
		ExpiresAt: jwt.NewNumericDate(time.Now().Add(time.Hour)),
	}}
	for _, f := range edit {
		f(&c)
	}
	return c
}

func sign(t testing.TB, key *ecdsa.PrivateKey, claims jwt.Claims) string {
	t.Helper()
	s, err := jwt.NewWithClaims(jwt.SigningMethodES256, claims).SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func testConfig(edit ...func(*middleware.JWTConfig[appClaims])) middleware.JWTConfig[appClaims] {
	cfg := middleware.JWTConfig[appClaims]{
		Keys:     middleware.StaticKey(&testKey.PublicKey),
		Methods:  []string{"ES256"},
		Issuer:   "https://id.example.com",
		Audience: []string{"chat"},
	}
	for _, f := range edit {
		f(&cfg)
	}
	return cfg
}

// tagsOf is every tag that a connection would have of v.
func tagsOf(v policy.Verdict) []policy.Tag {
	tags := slices.Collect(v.Tags())
	for e := range v.Expiries() {
		tags = append(tags, e.Tags...)
	}
	return tags
}

func raceDetector() bool {
	info, _ := debug.ReadBuildInfo()
	return slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}
