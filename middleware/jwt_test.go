package middleware_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/golang-jwt/jwt/v5/request"

	"github.com/wsverdict/wsverdict/middleware"
	"github.com/wsverdict/wsverdict/policy"
)

func TestJWTOutcomes(t *testing.T) {
	other := newKey()
	in := func(d time.Duration) *jwt.NumericDate { return jwt.NewNumericDate(time.Now().Add(d)) }
	good := func(edit func(*appClaims)) string { return sign(t, testKey, goodClaims(edit)) }
	unsigned, _ := jwt.NewWithClaims(jwt.SigningMethodNone, goodClaims()).SignedString(jwt.UnsafeAllowNoneSignatureType)
	hmac, _ := jwt.NewWithClaims(jwt.SigningMethodHS256, goodClaims()).SignedString([]byte("secret"))

	for _, tc := range []struct {
		name, token string
		status      int
		reason      string
	}{
		{"missing", "", 401, "token_missing;do=refresh"},
		{"no JWT", "hello", 401, "token_malformed;do=stop"},
		{"four segments", "a.b.c.d", 401, "token_malformed;do=stop"},
		{"too long", good(func(c *appClaims) { c.Role = strings.Repeat("x", middleware.MaxToken) }), 401, "token_malformed;do=stop"},
		{"many dots", strings.Repeat(".", middleware.MaxToken), 401, "token_malformed;do=stop"},
		{"forged", sign(t, other, goodClaims()), 401, "token_signature_invalid;do=refresh"},
		{"unsigned", unsigned, 401, "token_signature_invalid;do=refresh"},
		{"other algorithm", hmac, 401, "token_signature_invalid;do=refresh"},
		{"expired", good(func(c *appClaims) { c.ExpiresAt = in(-time.Minute) }), 401, "token_expired;do=refresh"},
		{"expired and forged", sign(t, other, goodClaims(func(c *appClaims) { c.ExpiresAt = in(-time.Minute) })), 401, "token_signature_invalid;do=refresh"},
		{"not yet valid", good(func(c *appClaims) { c.NotBefore = in(90 * time.Second) }), 401, "token_not_yet_valid;do=backoff;after=90"},
		{"wrong audience", good(func(c *appClaims) { c.Audience = jwt.ClaimStrings{"mail"} }), 401, "token_audience_invalid;do=stop"},
		{"wrong audience and expired", good(func(c *appClaims) { c.Audience = jwt.ClaimStrings{"mail"}; c.ExpiresAt = in(-time.Minute) }), 401, "token_audience_invalid;do=stop"},
		{"wrong issuer", good(func(c *appClaims) { c.Issuer = "https://evil.test" }), 401, "token_issuer_invalid;do=stop"},
		{"no expiry", good(func(c *appClaims) { c.ExpiresAt = nil }), 401, "token_claims_invalid;do=stop"},
		{"good", good(func(*appClaims) {}), 0, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			users := middleware.MustJWT(testConfig())
			r := newRequest(t)
			if tc.token != "" {
				r.Header.Set("Authorization", "Bearer "+tc.token)
			}
			v := users.Judge(r)
			if tc.name == "not yet valid" { // signed a moment ago, in whole seconds
				if after := v.After(); after < 85*time.Second || after > 90*time.Second {
					t.Errorf("after %v, want 90 s", after)
				}
				v = v.WithAfter(90 * time.Second)
			}
			checkVerdict(t, v, tc.status, tc.reason)
			if v.Hidden() {
				t.Error("hidden: the script could not act on it")
			}
			for name, value := range v.Header() {
				if name == "Www-Authenticate" && !strings.HasPrefix(value, "Bearer") {
					t.Errorf("%s: %s", name, value)
				}
			}
		})
	}
}

func TestJWTRevocation(t *testing.T) {
	down := errors.New("database down")
	for _, tc := range []struct {
		name    string
		revoked bool
		err     error
		status  int
		reason  string
	}{
		{"live", false, nil, 0, ""},
		{"revoked", true, nil, 401, "token_revoked;do=stop"},
		{"not known", false, down, 503, "revocation_unavailable;do=backoff"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			asked := ""
			users := middleware.MustJWT(testConfig(func(cfg *middleware.JWTConfig[appClaims]) {
				cfg.Revoked = func(_ context.Context, c appClaims) (bool, error) {
					asked = c.Subject
					return tc.revoked, tc.err
				}
			}))
			checkVerdict(t, users.Judge(newRequest(t, "Authorization", "Bearer "+sign(t, testKey, goodClaims()))), tc.status, tc.reason)
			if asked != "alice" {
				t.Errorf("asked about %q", asked)
			}
			asked = ""
			users.Judge(newRequest(t, "Authorization", "Bearer "+sign(t, newKey(), goodClaims())))
			if asked != "" {
				t.Error("asked about a forged token")
			}
		})
	}
}

// A revocation list that hangs holds a handshake no longer than the timeout.
func TestRevocationThatHangs(t *testing.T) {
	hang := make(chan struct{})
	defer close(hang)
	users := middleware.MustJWT(testConfig(func(cfg *middleware.JWTConfig[appClaims]) {
		cfg.Timeout = time.Millisecond // reached by all, however slow they are
		cfg.Revoked = func(context.Context, appClaims) (bool, error) { <-hang; return false, nil }
	}))
	v := users.Judge(bearing(t, sign(t, testKey, goodClaims())))
	checkVerdict(t, v, 503, "revocation_unavailable;do=backoff")
	if !errors.Is(v, context.DeadlineExceeded) {
		t.Errorf("cause %v", v.Cause())
	}
}

func TestJWTConfigMistakes(t *testing.T) {
	_, err := middleware.NewJWT(middleware.JWTConfig[appClaims]{
		Methods: []string{"none", "ES257"}, Leeway: -1, Timeout: -1, Realm: `a"b`, Options: []jwt.ParserOption{jwt.WithoutClaimsValidation()},
		From: []request.Extractor{nil, request.ArgumentExtractor{"token"}, request.MultiExtractor{request.ArgumentExtractor{}}, request.OAuth2Extractor},
	})
	if got := mistakes(t, err); got != 11 {
		t.Errorf("%d mistakes reported, want 11:\n%v", got, err)
	}
	if panicError(t, func() { middleware.MustJWT(middleware.JWTConfig[appClaims]{}) }) == nil {
		t.Error("MustJWT panics with something other than the error")
	}
}

func TestJWTOptions(t *testing.T) {
	noExp := sign(t, testKey, goodClaims(func(c *appClaims) { c.ExpiresAt = nil }))
	lateBy := func(d time.Duration) string {
		return sign(t, testKey, goodClaims(func(c *appClaims) { c.ExpiresAt = jwt.NewNumericDate(time.Now().Add(-d)) }))
	}
	for _, tc := range []struct {
		name  string
		edit  func(*middleware.JWTConfig[appClaims])
		token string
		want  string
	}{
		{"AllowNoExpiry", func(c *middleware.JWTConfig[appClaims]) { c.AllowNoExpiry = true }, noExp, ""},
		{"Leeway covers", func(c *middleware.JWTConfig[appClaims]) { c.Leeway = time.Minute }, lateBy(30 * time.Second), ""},
		{"Leeway does not cover", func(c *middleware.JWTConfig[appClaims]) { c.Leeway = time.Second }, lateBy(30 * time.Second), "token_expired;do=refresh"},
		{"options pass through", func(c *middleware.JWTConfig[appClaims]) {
			c.Options = []jwt.ParserOption{jwt.WithSubject("bob")}
		}, sign(t, testKey, goodClaims()), "token_claims_invalid;do=stop"},
		{"options do not loosen the methods", func(c *middleware.JWTConfig[appClaims]) {
			c.Options = []jwt.ParserOption{jwt.WithValidMethods([]string{"HS256"})}
		}, sign(t, testKey, goodClaims()), ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			users := middleware.MustJWT(testConfig(tc.edit))
			v := users.Judge(newRequest(t, "Authorization", "Bearer "+tc.token))
			if got := v.Reason().String(); got != tc.want {
				t.Errorf("got %q, want %q (%v)", got, tc.want, v.Cause())
			}
		})
	}
}

func TestJWTChallenge(t *testing.T) {
	users := middleware.MustJWT(testConfig(func(c *middleware.JWTConfig[appClaims]) { c.Realm = "chat" }))
	for name, tc := range map[string]struct{ header, want string }{
		"missing": {"", `Bearer realm="chat"`}, // RFC 6750 §3.1: no error code without a token
		"expired": {"Bearer " + sign(t, testKey, goodClaims(func(c *appClaims) { c.ExpiresAt = jwt.NewNumericDate(time.Unix(1, 0)) })),
			`Bearer realm="chat", error="invalid_token", error_description="The token has expired."`},
	} {
		got := map[string]string{}
		for k, v := range users.Judge(newRequest(t, "Authorization", tc.header)).Header() {
			got[k] = v
		}
		if got["Www-Authenticate"] != tc.want {
			t.Errorf("%s: %q, want %q", name, got["Www-Authenticate"], tc.want)
		}
	}
}

// Two handles in one chain do not get in each other's way, and claims count only where the handle
// was the one that allowed.
func TestJWTHandles(t *testing.T) {
	type machineClaims struct {
		Fleet string `json:"fleet"`
		jwt.RegisteredClaims
	}
	people := middleware.MustJWT(testConfig())
	machines := middleware.MustJWT(middleware.JWTConfig[machineClaims]{Keys: middleware.StaticKey(&testKey.PublicKey), Methods: []string{"ES256"}})
	r := people.WithClaims(newRequest(t), appClaims{Role: "admin"})
	if _, ok := machines.Claims(r); ok {
		t.Error("another handle's claims")
	}
	r = machines.WithClaims(r, machineClaims{Fleet: "north"})
	p, ok := people.Claims(r)
	m, ok2 := machines.Claims(r)
	if !ok || !ok2 || p.Role != "admin" || m.Fleet != "north" {
		t.Errorf("got %+v %v, %+v %v", p, ok, m, ok2)
	}
	p.Role = "changed"
	if again, _ := people.Claims(r); again.Role != "admin" {
		t.Error("Claims is not a copy")
	}
	if _, ok := middleware.BySubject(r); ok {
		t.Error("a key for claims without a subject: all such users would share a bucket")
	}
	v := policy.Any(people, policy.Func(func(*http.Request) policy.Verdict { return policy.Allow() })).Judge(newRequest(t))
	if v.Brings() {
		t.Error("an allow by somebody else brought claims along")
	}
}
