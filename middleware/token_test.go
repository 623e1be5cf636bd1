package middleware_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5/request"

	"github.com/wsverdict/wsverdict/codes"
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
		{"two markers", middleware.Subprotocol("bearer"), []string{"Sec-Websocket-Protocol", "bearer, abc, bearer, def"}, "", "", other},
		{"two markers over two lines", middleware.Subprotocol("bearer"), []string{"Sec-Websocket-Protocol", "bearer, abc", "Sec-Websocket-Protocol", "bearer, abc"}, "", "", other},
		{"second marker without a token", middleware.Subprotocol("bearer"), []string{"Sec-Websocket-Protocol", "bearer, abc, bearer"}, "", "abc", nil},
		{"several sources", middleware.TokenSources{middleware.Cookie("session"), middleware.Bearer}, []string{"Authorization", "Bearer abc"}, "", "abc", nil},
		{"a source that refuses", middleware.TokenSources{middleware.Cookie("session"), middleware.Bearer},
			[]string{"Authorization", "Bearer abc", "Cookie", "session=a; session=b"}, "", "", other},
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

// apiKeys is a policy of the user's own that takes a credential from where tokens are.
type apiKeys struct{ middleware.TokenSources }

func (k apiKeys) Judge(r *http.Request) policy.Verdict {
	if key, err := k.ExtractToken(r); err != nil || key != "secret" {
		return policy.Close(codes.Unauthorized, "api_key_invalid")
	}
	return policy.Allow()
}

// A marker that the Upgrader does not list is found when it is mounted: inside combinators, inside
// golang-jwt's combinations of sources, and in policies of the user's own.
func TestSubprotocolMarkerIsCheckedWhenMounted(t *testing.T) {
	marker := middleware.Subprotocol("bearer")
	from := func(sources ...request.Extractor) policy.Policy {
		return middleware.MustJWT(testConfig(func(c *middleware.JWTConfig[appClaims]) { c.From = sources }))
	}
	users := from(marker)
	ws := middleware.For(&upgrade.Upgrader{Subprotocols: []string{"chat.v1"}})
	listed := middleware.For(&upgrade.Upgrader{Subprotocols: []string{"bearer"}})
	multi := request.MultiExtractor{middleware.Bearer, marker}
	for name, p := range map[string]policy.Policy{
		"alone": users, "in Any": policy.Any(users), "named": policy.Named("users", users),
		"bypass":                    middleware.NewMaintenance(&middleware.Switch{}, users),
		"in a MultiExtractor":       from(multi),
		"in a pointer to one":       from(&multi),
		"in one in one":             from(request.MultiExtractor{multi}),
		"behind a filter":           from(&request.PostExtractionFilter{Extractor: multi, Filter: func(s string) (string, error) { return s, nil }}),
		"in sources in sources":     from(middleware.TokenSources{marker}),
		"in a policy of one's own":  apiKeys{middleware.TokenSources{marker}},
		"in one's own, in an extra": policy.Hidden(apiKeys{middleware.TokenSources{multi}}),
	} {
		func() {
			defer func() {
				if x, _ := recover().(string); strings.Count(x, `"bearer"`) != 1 {
					t.Errorf("%s: panic %q does not name the marker, once", name, x)
				}
			}()
			ws.Use(p)
		}()
		listed.Use(p)
	}
}
