package middleware_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5/request"

	"github.com/wsverdict/wsverdict/middleware"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

type plan struct{ Name string }

// keyring is a look-up in memory.
type keyring map[middleware.APIKeyHash]middleware.APIKey[plan]

func ring(keys map[string]middleware.APIKey[plan]) keyring {
	all := keyring{}
	for secret, key := range keys {
		key.Hash = middleware.HashAPIKey(secret)
		all[key.Hash] = key
	}
	return all
}

func (k keyring) Lookup(_ context.Context, hash middleware.APIKeyHash) (middleware.APIKey[plan], bool, error) {
	key, ok := k[hash]
	return key, ok, nil
}

var testKeys = ring(map[string]middleware.APIKey[plan]{
	"good":    {Subject: "pump-7", Tags: []policy.Tag{{Key: "tenant", Value: "acme"}}, Value: plan{"paid"}},
	"expired": {Subject: "pump-8", Expires: time.Now().Add(-time.Hour)},
	"timed":   {Subject: "pump-9", Expires: time.Now().Add(time.Hour)},
	"nobody":  {},
})

func newAPIKeys(t testing.TB, edit ...func(*middleware.APIKeysConfig[plan])) *middleware.APIKeys[plan] {
	t.Helper()
	cfg := middleware.APIKeysConfig[plan]{Lookup: testKeys.Lookup}
	for _, f := range edit {
		f(&cfg)
	}
	a, err := middleware.NewAPIKeys(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

const (
	keyMissing     = "api_key_missing;do=stop"
	keyInvalid     = "api_key_invalid;do=stop"
	keyUnavailable = "api_keys_unavailable;do=backoff"
)

func TestAPIKeys(t *testing.T) {
	everywhere := newAPIKeys(t, func(c *middleware.APIKeysConfig[plan]) {
		c.From = []request.Extractor{middleware.Header("x-api-key"), middleware.AuthScheme("ApiKey"), middleware.Subprotocol("key"), middleware.Query("key")}
	})
	for _, tc := range []struct {
		name   string
		header []string
		query  string
		status int
		reason string
	}{
		{name: "header", header: []string{"X-Api-Key", "good"}},
		{name: "scheme", header: []string{"Authorization", "apikey  good"}},
		{name: "subprotocol", header: []string{"Sec-Websocket-Protocol", "chat.v1, key, good"}},
		{name: "query", query: "key=good"},
		{name: "none", status: 401, reason: keyMissing},
		{name: "empty", header: []string{"X-Api-Key", ""}, status: 401, reason: keyMissing},
		{name: "another scheme", header: []string{"Authorization", "Bearer good"}, status: 401, reason: keyMissing},
		{name: "unknown", header: []string{"X-Api-Key", "wrong"}, status: 401, reason: keyInvalid},
		{name: "two", header: []string{"X-Api-Key", "good", "X-Api-Key", "good"}, status: 401, reason: keyInvalid},
		{name: "two with the scheme", header: []string{"Authorization", "ApiKey good", "Authorization", "ApiKey good"}, status: 401, reason: keyInvalid},
		{name: "a prefix", header: []string{"X-Api-Key", "goo"}, status: 401, reason: keyInvalid},
		{name: "longer than any", header: []string{"X-Api-Key", strings.Repeat("x", middleware.MaxToken+1)}, status: 401, reason: keyInvalid},
		{name: "expired", header: []string{"X-Api-Key", "expired"}, status: 401, reason: "api_key_expired;do=stop"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRequest(t, tc.header...)
			r.URL.RawQuery = tc.query
			v := everywhere.Judge(r)
			checkVerdict(t, v, tc.status, tc.reason)
			if got := headerOf(v, "Www-Authenticate"); (got == "ApiKey") != (tc.status == 401) {
				t.Errorf("WWW-Authenticate %q", got)
			}
			if v.IsMissing() != (tc.reason == keyMissing) {
				t.Errorf("missing: %v", v.IsMissing())
			}
			if tc.status == 0 && v.Subject() != "pump-7" {
				t.Errorf("subject %q", v.Subject())
			}
		})
	}
}

// What is known about the key reaches later policies and the connection.
func TestAPIKeysBring(t *testing.T) {
	keys := newAPIKeys(t, func(c *middleware.APIKeysConfig[plan]) { c.Tag, c.Realm = "user", "pumps" })
	v := keys.Judge(newRequest(t, "X-Api-Key", "good"))
	want := []policy.Tag{{Key: "user", Value: "pump-7"}, {Key: "tenant", Value: "acme"}}
	if got := slices.Collect(v.Tags()); !slices.Equal(got, want) {
		t.Errorf("tags %v, want %v", got, want)
	}
	if n := len(slices.Collect(v.Expiries())); n != 0 {
		t.Errorf("%d expiries", n)
	}
	timed := slices.Collect(keys.Judge(newRequest(t, "X-Api-Key", "timed")).Expiries())
	if len(timed) != 1 || timed[0].Subject != "pump-9" || time.Until(timed[0].At) > time.Hour {
		t.Errorf("expiries %v", timed)
	}
	checkVerdict(t, keys.Judge(newRequest(t, "X-Api-Key", "nobody")), 0, "")
	if got := headerOf(keys.Judge(newRequest(t)), "Www-Authenticate"); got != `ApiKey realm="pumps"` {
		t.Errorf("WWW-Authenticate %q", got)
	}
	if _, ok := keys.Value(newRequest(t)); ok {
		t.Error("a plan out of nowhere")
	}
	if p, ok := keys.Value(keys.WithValue(newRequest(t), plan{"free"})); !ok || p.Name != "free" {
		t.Errorf("got %v, %v", p, ok)
	}
}

// On a live connection, beside JWT, in both orders: who sent a bad credential hears of that one.
func TestAPIKeysBesideJWT(t *testing.T) {
	users := middleware.MustJWT(testConfig())
	keys := newAPIKeys(t)
	expired := "Bearer " + sign(t, testKey, goodClaims(func(c *appClaims) { c.ExpiresAt.Time = time.Now().Add(-time.Hour) }))
	for order, p := range map[string]policy.Policy{"users first": policy.Any(users, keys), "keys first": policy.Any(keys, users)} {
		up := &upgrade.Upgrader{}
		addr := live(t, up.Use(p)(up.Handler(func(r *http.Request) (upgrade.Session, error) {
			subject, _ := policy.Subject(r)
			p, ok := keys.Value(r)
			_, user := users.Claims(r)
			if user == ok {
				t.Errorf("%s: %q is a user: %v, a key's: %v", order, subject, user, ok)
			}
			return func(ctx context.Context, c *upgrade.Conn) error {
				return c.Write(ctx, upgrade.Text, []byte(subject+" "+p.Name))
			}, nil
		})))
		good := "Bearer " + sign(t, testKey, goodClaims())
		for _, tc := range []struct{ name, value, want string }{
			{"X-Api-Key", "good", "pump-7 paid"},
			{"Authorization", good, "alice "},
		} {
			p := dial(t, addr, tc.name, tc.value)
			if f := p.frame(); string(f.Payload) != tc.want {
				t.Errorf("%s: got %q, want %q", order, f.Payload, tc.want)
			}
		}
		dial(t, addr, "X-Api-Key", "wrong").wantClose(4401, keyInvalid)
		dial(t, addr, "Authorization", expired).wantClose(4401, "token_expired;do=refresh")
		missing := map[string]string{"users first": "token_missing;do=refresh", "keys first": keyMissing}
		dial(t, addr).wantClose(4401, missing[order])
	}
}

// A look-up that hangs, fails or panics is 503, and one that returns another key than was asked for lets nobody in.
func TestAPIKeyLookups(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	down := errors.New("database down")
	for name, tc := range map[string]struct {
		lookup func(context.Context, middleware.APIKeyHash) (middleware.APIKey[plan], bool, error)
		status int
		reason string
		cause  error
	}{
		"hangs": {func(context.Context, middleware.APIKeyHash) (k middleware.APIKey[plan], ok bool, err error) {
			<-release
			return k, true, nil
		}, 503, keyUnavailable, context.DeadlineExceeded},
		"fails": {func(context.Context, middleware.APIKeyHash) (k middleware.APIKey[plan], ok bool, err error) {
			return k, true, down
		}, 503, keyUnavailable, down},
		"panics": {func(context.Context, middleware.APIKeyHash) (k middleware.APIKey[plan], ok bool, err error) {
			panic(down)
		}, 503, keyUnavailable, down},
		"another key": {func(context.Context, middleware.APIKeyHash) (middleware.APIKey[plan], bool, error) {
			return middleware.APIKey[plan]{Hash: middleware.HashAPIKey("Good"), Subject: "root"}, true, nil
		}, 401, keyInvalid, nil},
		"no hash": {func(context.Context, middleware.APIKeyHash) (middleware.APIKey[plan], bool, error) {
			return middleware.APIKey[plan]{Subject: "root"}, true, nil
		}, 401, keyInvalid, nil},
	} {
		keys := newAPIKeys(t, func(c *middleware.APIKeysConfig[plan]) { c.Lookup, c.Timeout = tc.lookup, time.Millisecond })
		if name != "hangs" {
			keys = newAPIKeys(t, func(c *middleware.APIKeysConfig[plan]) { c.Lookup, c.Timeout = tc.lookup, time.Minute })
		}
		v := keys.Judge(newRequest(t, "X-Api-Key", "good"))
		if v.Status() != tc.status || v.Reason().String() != tc.reason || !errors.Is(v.Cause(), tc.cause) {
			t.Errorf("%s: %v", name, v)
		}
	}
}

func TestAPIKeysMistakes(t *testing.T) {
	_, err := middleware.NewAPIKeys(middleware.APIKeysConfig[plan]{Timeout: -1, From: []request.Extractor{nil}, Realm: `"`})
	if n := mistakes(t, err); n != 4 {
		t.Errorf("%d mistakes, want 4: %v", n, err)
	}
	keys := newAPIKeys(t, func(c *middleware.APIKeysConfig[plan]) {
		c.From = []request.Extractor{middleware.Header(""), middleware.AuthScheme("Api Key"), middleware.Subprotocol("key")}
	})
	var all interface{ Unwrap() []error }
	if err := keys.CheckMount(policy.Mounting{}); !errors.As(err, &all) || len(all.Unwrap()) != 3 {
		t.Errorf("want 3 mistakes: %v", err)
	}
}
