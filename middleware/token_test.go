package middleware_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5/request"

	"github.com/wsverdict/wsverdict/middleware"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

func TestTokenSources(t *testing.T) {
	none := request.ErrNoTokenInRequest
	other := errors.New("any other error")
	for _, tc := range []struct {
		name   string
		from   request.Extractor
		header []string // name, value, …
		query  string
		want   string
		err    error
	}{
		{"bearer", middleware.Bearer, []string{"Authorization", "Bearer abc"}, "", "abc", nil},
		{"bearer in any case", middleware.Bearer, []string{"Authorization", "bEARER  abc"}, "", "abc", nil},
		{"other scheme", middleware.Bearer, []string{"Authorization", "Basic abc"}, "", "", none},
		{"no header", middleware.Bearer, nil, "", "", none},
		{"two headers", middleware.Bearer, []string{"Authorization", "Bearer a", "Authorization", "Bearer b"}, "", "", other},
		{"subprotocol", middleware.Subprotocol("bearer"), []string{"Sec-Websocket-Protocol", "chat.v1, bearer, abc"}, "", "abc", nil},
		{"subprotocol over two lines", middleware.Subprotocol("bearer"), []string{"Sec-Websocket-Protocol", "bearer", "Sec-Websocket-Protocol", "abc"}, "", "abc", nil},
		{"marker at the end", middleware.Subprotocol("bearer"), []string{"Sec-Websocket-Protocol", "chat.v1, bearer"}, "", "", none},
		{"marker in another case", middleware.Subprotocol("bearer"), []string{"Sec-Websocket-Protocol", "Bearer, abc"}, "", "", none},
		{"malformed list", middleware.Subprotocol("bearer"), []string{"Sec-Websocket-Protocol", "bearer, a b"}, "", "", none},
		{"cookie", middleware.Cookie("session"), []string{"Cookie", "theme=dark; session=abc"}, "", "abc", nil},
		{"planted cookie", middleware.Cookie("session"), []string{"Cookie", "session=evil; session=abc"}, "", "", other},
		{"no cookie", middleware.Cookie("session"), []string{"Cookie", "theme=dark"}, "", "", none},
		{"query", middleware.Query("token"), nil, "room=1&token=abc", "abc", nil},
		{"two in the query", middleware.Query("token"), nil, "token=a&token=b", "", other},
		{"no query", middleware.Query("token"), nil, "", "", none},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRequest(t, tc.header...)
			r.URL.RawQuery = tc.query
			got, err := tc.from.ExtractToken(r)
			if got != tc.want {
				t.Errorf("token %q, want %q", got, tc.want)
			}
			if isNone := errors.Is(err, none); isNone != (tc.err == none) || (err == nil) != (tc.err == nil) {
				t.Errorf("error %v, want %v", err, tc.err)
			}
		})
	}
}

func TestTokenSourcesInOrder(t *testing.T) {
	users := middleware.MustJWT(testConfig(func(c *middleware.JWTConfig[appClaims]) {
		c.From = []request.Extractor{middleware.Cookie("session"), middleware.Bearer}
	}))
	good, bad := sign(t, testKey, goodClaims()), sign(t, newKey(), goodClaims())
	checkVerdict(t, users.Judge(newRequest(t, "Authorization", "Bearer "+good)), 0, "")
	checkVerdict(t, users.Judge(newRequest(t, "Cookie", "session="+bad, "Authorization", "Bearer "+good)), 401, "token_signature_invalid;do=refresh")
	checkVerdict(t, users.Judge(newRequest(t, "Cookie", "session=a; session=b", "Authorization", "Bearer "+good)), 401, "token_malformed;do=stop")
}

// A marker that the Upgrader does not list is found when it is mounted, inside combinators too.
func TestSubprotocolMarkerIsCheckedWhenMounted(t *testing.T) {
	users := middleware.MustJWT(testConfig(func(c *middleware.JWTConfig[appClaims]) {
		c.From = []request.Extractor{middleware.Subprotocol("bearer")}
	}))
	ws := middleware.For(&upgrade.Upgrader{Subprotocols: []string{"chat.v1"}})
	for name, p := range map[string]policy.Policy{
		"alone": users, "in Any": policy.Any(users), "named": policy.Named("users", users),
		"bypass": middleware.NewMaintenance(&middleware.Switch{}, users),
	} {
		func() {
			defer func() {
				if x, _ := recover().(string); !strings.Contains(x, `"bearer"`) {
					t.Errorf("%s: panic %q does not name the marker", name, x)
				}
			}()
			ws.Use(p)
		}()
	}
	middleware.For(&upgrade.Upgrader{Subprotocols: []string{"bearer"}}).Use(users)
}
