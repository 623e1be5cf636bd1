package middleware_test

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/wsverdict/wsverdict/middleware"
)

// written is a token whose header and claims are these texts, with a good signature.
func written(t *testing.T, header, claims string) string {
	t.Helper()
	encode := base64.RawURLEncoding.EncodeToString
	text := encode([]byte(header)) + "." + encode([]byte(claims))
	signature, err := jwt.SigningMethodES256.Sign(text, testKey)
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + encode(signature)
}

// Tokens that two readers understand differently are refused, whoever signed them; and of what is
// wrong with them nothing is said before the signature is checked.
func TestJWTForm(t *testing.T) {
	header := `{"alg":"ES256","typ":"JWT"}`
	claims := fmt.Sprintf(`{"sub":"alice","iss":"https://id.example.com","aud":"chat","exp":%d}`, time.Now().Unix()+3600)
	with := func(more string) string { return strings.TrimSuffix(claims, "}") + "," + more + "}" }
	for _, tc := range []struct{ name, header, claims, want string }{
		{"good", header, claims, ""},
		{"nested names are the application's", header, with(`"x":{"sub":1,"SUB":2}`), ""},
		{"an escaped name", header, with(`"https:\/\/example.com\/plan":"free"`), ""},
		{"twice", header, with(`"sub":"bob"`), "token_malformed;do=stop"},
		{"twice the same", header, with(`"sub":"alice"`), "token_malformed;do=stop"},
		{"in two cases", header, with(`"SUB":"bob"`), "token_malformed;do=stop"},
		{"exp in two cases", header, with(`"Exp":99999999999`), "token_malformed;do=stop"},
		{"a long s", header, with(`"ſub":"bob"`), "token_malformed;do=stop"},
		{"escaped", header, with(`"\u0073ub":"bob"`), "token_malformed;do=stop"},
		{"own claims in two cases", header, with(`"role":"user","ROLE":"admin"`), "token_malformed;do=stop"},
		{"registered in another case alone", header, strings.Replace(claims, "sub", "Sub", 1), "token_malformed;do=stop"},
		{"too many claims", header, with(numbered(200)), "token_malformed;do=stop"},
		{"header twice", `{"alg":"ES256","kid":"a","kid":"b"}`, claims, "token_malformed;do=stop"},
		{"header in two cases", `{"alg":"ES256","ALG":"none"}`, claims, "token_malformed;do=stop"},
		{"crit", `{"alg":"ES256","crit":["b64"],"b64":false}`, claims, "token_malformed;do=stop"},
		{"empty crit", `{"alg":"ES256","crit":[]}`, claims, "token_malformed;do=stop"},
		{"no object", header, `null`, "token_malformed;do=stop"},
		{"crit and expired", `{"alg":"ES256","crit":["exp"],"exp":1}`, `{"exp":1}`, "token_malformed;do=stop"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			token := written(t, tc.header, tc.claims)
			reason := middleware.MustJWT(testConfig()).Judge(bearing(t, token)).Reason().String()
			if reason != tc.want {
				t.Errorf("got %q, want %q", reason, tc.want)
			}
			forged := token[:len(token)-4] + "AAAA"
			checkVerdict(t, middleware.MustJWT(testConfig()).Judge(bearing(t, forged)), 401, "token_signature_invalid;do=refresh")
		})
	}
}

func numbered(n int) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf(`"n%d":0`, i))
	}
	return strings.Join(all, ",")
}

// What follows the claims is refused also where golang-jwt would not look at it.
func TestJWTTrailingClaims(t *testing.T) {
	users := middleware.MustJWT(testConfig(func(cfg *middleware.JWTConfig[appClaims]) {
		cfg.Options = []jwt.ParserOption{jwt.WithJSONNumber(), jwt.WithPaddingAllowed()}
	}))
	claims := fmt.Sprintf(`{"iss":"https://id.example.com","aud":"chat","exp":%d}`, time.Now().Unix()+3600)
	checkVerdict(t, users.Judge(bearing(t, written(t, `{"alg":"ES256"}`, claims))), 0, "")
	checkVerdict(t, users.Judge(bearing(t, written(t, `{"alg":"ES256"}`, claims+`{"sub":"bob"}`))), 401, "token_malformed;do=stop")
}

func TestJWTType(t *testing.T) {
	claims := fmt.Sprintf(`{"iss":"https://id.example.com","aud":"chat","exp":%d}`, time.Now().Unix()+3600)
	for _, tc := range []struct{ want, header, reason string }{
		{"", `{"alg":"ES256"}`, ""},
		{"at+jwt", `{"alg":"ES256","typ":"at+jwt"}`, ""},
		{"at+jwt", `{"alg":"ES256","typ":"AT+JWT"}`, ""},
		{"at+jwt", `{"alg":"ES256","typ":"application/at+jwt"}`, ""},
		{"application/at+jwt", `{"alg":"ES256","typ":"at+jwt"}`, ""},
		{"at+jwt", `{"alg":"ES256","typ":"JWT"}`, "token_type_invalid;do=stop"},
		{"at+jwt", `{"alg":"ES256"}`, "token_type_invalid;do=stop"},
		{"at+jwt", `{"alg":"ES256","typ":7}`, "token_type_invalid;do=stop"},
	} {
		users := middleware.MustJWT(testConfig(func(cfg *middleware.JWTConfig[appClaims]) { cfg.Type = tc.want }))
		if got := users.Judge(bearing(t, written(t, tc.header, claims))).Reason().String(); got != tc.reason {
			t.Errorf("%q of %s: %q, want %q", tc.want, tc.header, got, tc.reason)
		}
	}
	// A new token of the same kind would not mend it: that comes before the expiry.
	users := middleware.MustJWT(testConfig(func(cfg *middleware.JWTConfig[appClaims]) { cfg.Type = "at+jwt" }))
	checkVerdict(t, users.Judge(bearing(t, written(t, `{"alg":"ES256","typ":"JWT"}`, `{"exp":1}`))), 401, "token_type_invalid;do=stop")
}

// Nothing that a token says is in the text of a cause before its signature was found good, and the
// text is short.
func TestCausesDoNotRepeatTheToken(t *testing.T) {
	const evil = "evil-evil-evil"
	long := strings.Repeat(evil, 200)
	encode := base64.RawURLEncoding.EncodeToString
	header := encode([]byte(`{"alg":"ES256"}`))
	for name, token := range map[string]string{
		"no token":              evil,
		"no base64":             evil + "!." + evil + "." + evil,
		"no JSON":               encode([]byte(`{"`+long)) + "." + evil + "." + evil,
		"claims of other types": header + "." + encode([]byte(`{"exp":"`+long+`"}`)) + ".AAAA",
		"audience of maps":      header + "." + encode([]byte(`{"aud":[{"`+long+`":1}]}`)) + ".AAAA",
		"an own claim":          header + "." + encode([]byte(`{"role":["`+long+`"]}`)) + ".AAAA",
		"a date":                header + "." + encode([]byte(`{"exp":1e`+strings.Repeat("9", 500)+`}`)) + ".AAAA",
		"unknown algorithm":     encode([]byte(`{"alg":"`+long+`"}`)) + ".e30.AAAA",
		"forged":                header + "." + encode([]byte(`{"sub":"`+long+`"}`)) + ".AAAA",
		"signature no base64":   header + ".e30." + evil + "!",
	} {
		v := middleware.MustJWT(testConfig()).Judge(bearing(t, token))
		if text := v.Error(); v.Allowed() || strings.Contains(text, "evil") || strings.Contains(text, "999") || len(text) > 200 {
			t.Errorf("%s: %.600s", name, text)
		}
		if v.Cause() == nil {
			t.Errorf("%s: no cause", name)
		}
	}
}

func TestClaimsThatPanicAreFoundAtOnce(t *testing.T) {
	type pointing struct{ *jwt.RegisteredClaims }
	_, err := middleware.NewJWT(middleware.JWTConfig[pointing]{Keys: middleware.StaticKey(&testKey.PublicKey), Methods: []string{"ES256"}})
	if mistakes(t, err) != 1 {
		t.Errorf("got %v", err)
	}
}

// A token of an embedded secret's length costs what golang-jwt's parse does, and a few allocations.
func TestJWTAllocations(t *testing.T) {
	secret := make([]byte, sha256.Size)
	rand.Read(secret)
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, goodClaims()).SignedString(secret)
	if err != nil {
		t.Fatal(err)
	}
	users := middleware.MustJWT(testConfig(func(cfg *middleware.JWTConfig[appClaims]) {
		cfg.Methods, cfg.Keys = []string{"HS256"}, middleware.StaticKey(secret)
	}))
	r := bearing(t, token)
	parser := jwt.NewParser()
	bare := testing.AllocsPerRun(100, func() {
		if _, err := parser.ParseWithClaims(token, &appClaims{}, func(*jwt.Token) (any, error) { return secret, nil }); err != nil {
			t.Fatal(err)
		}
	})
	if ours := testing.AllocsPerRun(100, func() { users.Judge(r) }); ours > bare+6 {
		t.Errorf("%v allocations, golang-jwt's parse alone %v", ours, bare)
	}
}

func TestErrNoTokenIsNoMistake(t *testing.T) {
	v := middleware.MustJWT(testConfig()).Judge(newRequest(t))
	if !v.IsMissing() || errors.Unwrap(v) != nil {
		t.Errorf("got %v", v)
	}
}
