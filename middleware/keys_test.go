package middleware_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/wsverdict/wsverdict/middleware"
	"github.com/wsverdict/wsverdict/policy"
)

func keysOf(keys middleware.Keys, edit ...func(*middleware.JWTConfig[appClaims])) *middleware.JWT[appClaims] {
	return middleware.MustJWT(testConfig(append(edit, func(cfg *middleware.JWTConfig[appClaims]) { cfg.Keys = keys })...))
}

// withKid is a good token that names its key.
func withKid(t testing.TB, kid string, edit ...func(*appClaims)) string {
	t.Helper()
	token := jwt.NewWithClaims(jwt.SigningMethodES256, goodClaims(edit...))
	token.Header["kid"] = kid
	s, err := token.SignedString(testKey)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestJWTKeysUnavailable(t *testing.T) {
	own := errors.New("vault sealed")
	for _, tc := range []struct {
		name   string
		keys   middleware.Keys
		is     error
		status int
		reason string
	}{
		{"sentinel", failing(fmt.Errorf("fetching: %w", middleware.ErrKeysUnavailable)), middleware.ErrKeysUnavailable, 503, "keys_unavailable;do=backoff"},
		{"deadline", failing(context.DeadlineExceeded), context.DeadlineExceeded, 503, "keys_unavailable;do=backoff"},
		{"network", failing(&net.OpError{Op: "dial", Err: own}), own, 503, "keys_unavailable;do=backoff"},
		{"own predicate", failing(own), own, 503, "keys_unavailable;do=backoff"},
		{"empty set", middleware.KeysFunc(func(context.Context, *jwt.Token) (any, error) { return jwt.VerificationKeySet{}, nil }),
			nil, 503, "keys_unavailable;do=backoff"},
		{"panic", middleware.KeysFunc(func(context.Context, *jwt.Token) (any, error) { panic(own) }), own, 503, "keys_unavailable;do=backoff"},
		{"unknown kid", failing(errNoSuchKey), errNoSuchKey, 401, "token_signature_invalid;do=refresh"},
		{"without a context", middleware.FromKeyfunc(func(*jwt.Token) (any, error) { return nil, middleware.ErrKeysUnavailable }),
			middleware.ErrKeysUnavailable, 503, "keys_unavailable;do=backoff"},
		{"good", middleware.FromKeyfunc(func(*jwt.Token) (any, error) { return &testKey.PublicKey, nil }), nil, 0, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			users := keysOf(tc.keys, func(cfg *middleware.JWTConfig[appClaims]) {
				cfg.KeysUnavailable = func(err error) bool { return errors.Is(err, own) }
			})
			v := users.Judge(bearing(t, sign(t, testKey, goodClaims())))
			checkVerdict(t, v, tc.status, tc.reason)
			if tc.is != nil && !errors.Is(v, tc.is) {
				t.Errorf("the cause is lost: %v", v.Cause())
			}
		})
	}
}

var errNoSuchKey = errors.New("no such key")

func failing(err error) middleware.Keys {
	return middleware.KeysFunc(func(context.Context, *jwt.Token) (any, error) { return nil, err })
}

// Keys that hang, and do not care that nobody waits any more, hold a handshake no longer than the
// timeout, nor longer than the client stays. However many come, a bounded number of look-ups is
// left behind.
func TestKeysThatHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		defer close(hang)
		var asked atomic.Int32
		users := keysOf(middleware.KeysFunc(func(context.Context, *jwt.Token) (any, error) {
			asked.Add(1)
			<-hang
			return nil, errNoSuchKey
		}))
		begin := time.Now()
		checkVerdict(t, users.Judge(bearing(t, withKid(t, "first"))), 503, "keys_unavailable;do=backoff")
		if waited := time.Since(begin); waited != 2*time.Second {
			t.Errorf("waited %v, want 2 s", waited)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		checkVerdict(t, users.Judge(bearing(t, withKid(t, "second")).WithContext(ctx)), 503, "keys_unavailable;do=backoff")
		if waited := time.Since(begin); waited != 3*time.Second {
			t.Errorf("waited %v for a client that has gone after 1 s", waited-2*time.Second)
		}

		for range 3 {
			var all sync.WaitGroup
			for i := range 2000 { // ids that nobody knows
				r := bearing(t, withKid(t, fmt.Sprint(i)))
				all.Go(func() { checkVerdict(t, users.Judge(r), 503, "keys_unavailable;do=backoff") })
			}
			all.Wait()
		}
		if n := asked.Load(); n > 1024 {
			t.Errorf("%d look-ups are left behind", n)
		}
	})
}

// A crowd that comes with the same unknown key asks for it once; what one of them is told, all are.
func TestUnknownKeysAreLookedUpOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		release := make(chan struct{})
		users := keysOf(middleware.KeysFunc(func(_ context.Context, token *jwt.Token) (any, error) {
			asked++
			<-release
			return &testKey.PublicKey, nil
		}))
		var all sync.WaitGroup
		for i := range 100 {
			r := bearing(t, withKid(t, "new", func(c *appClaims) { c.Subject = fmt.Sprint("user", i) }))
			all.Go(func() { checkVerdict(t, users.Judge(r), 0, "") })
		}
		synctest.Wait()
		close(release)
		all.Wait()
		if asked != 1 {
			t.Errorf("asked %d times", asked)
		}
	})
}

// Ids that anybody can make up are asked for at a bounded rate, whoever has a key that was found
// before is not in their way, and who is turned away unasked is told to come again, not that the
// token is bad.
func TestUnknownKeysAreRateLimited(t *testing.T) { synctest.Test(t, testUnknownKeysAreRateLimited) }

func testUnknownKeysAreRateLimited(t *testing.T) {
	asked := map[string]int{}
	users := keysOf(middleware.KeysFunc(func(_ context.Context, token *jwt.Token) (any, error) {
		kid := token.Header["kid"].(string)
		asked[kid]++
		if strings.HasPrefix(kid, "known") {
			return &testKey.PublicKey, nil
		}
		return nil, errNoSuchKey
	}))
	known, later := bearing(t, withKid(t, "known")), bearing(t, withKid(t, "known later"))
	checkVerdict(t, users.Judge(known), 0, "")
	answers := map[int]int{}
	for i := range 1000 {
		answers[users.Judge(bearing(t, withKid(t, fmt.Sprint("made up ", i)))).Status()]++
	}
	if len(asked) > 500 || answers[401] != len(asked)-1 || answers[503] != 1000-answers[401] {
		t.Errorf("asked for %d keys, answers %v", len(asked), answers)
	}
	checkVerdict(t, users.Judge(known), 0, "")
	checkVerdict(t, users.Judge(later), 503, "keys_unavailable;do=backoff")
}

// What an unverified token says beyond its header and its issuer chooses no key: two tokens that
// share a look-up could otherwise get each other's.
func TestKeysSeeHeaderAndIssuerAlone(t *testing.T) {
	users := keysOf(middleware.KeysFunc(func(_ context.Context, token *jwt.Token) (any, error) {
		issuer, _ := token.Claims.GetIssuer()
		subject, _ := token.Claims.GetSubject()
		if issuer != "https://id.example.com" || subject != "" || token.Raw != "" || token.Header["kid"] != "1" || token.Method != jwt.SigningMethodES256 {
			t.Errorf("got %+v", token)
		}
		return &testKey.PublicKey, nil
	}))
	checkVerdict(t, users.Judge(bearing(t, withKid(t, "1"))), 0, "")
}

// localKeys know one key, and fetch others.
type localKeys struct{ fetched *int }

func (localKeys) Local(token *jwt.Token) (any, bool) {
	return &testKey.PublicKey, token.Header["kid"] == "local"
}

func (k localKeys) Key(context.Context, *jwt.Token) (any, error) {
	*k.fetched++
	return &testKey.PublicKey, nil
}

func TestLocalKeysAreAskedFirst(t *testing.T) {
	fetched := 0
	users := keysOf(localKeys{&fetched})
	checkVerdict(t, users.Judge(bearing(t, withKid(t, "local"))), 0, "")
	if fetched != 0 {
		t.Error("fetched what was there")
	}
	checkVerdict(t, users.Judge(bearing(t, withKid(t, "remote"))), 0, "")
	if fetched != 1 {
		t.Errorf("fetched %d times", fetched)
	}
}

// keySet is as keyfunc's Keyfunc answers: an unknown key is an error, whether or not there ever was
// a set.
type keySet struct{ keys map[string]any }

func (s keySet) KeyfuncCtx(context.Context) jwt.Keyfunc {
	return func(token *jwt.Token) (any, error) {
		kid, _ := token.Header["kid"].(string)
		if key, ok := s.keys[kid]; ok {
			return key, nil
		}
		return nil, errNoSuchKey
	}
}

func (s keySet) VerificationKeySet(context.Context) (set jwt.VerificationKeySet, err error) {
	for _, key := range s.keys {
		set.Keys = append(set.Keys, key)
	}
	return set, nil
}

func TestFromKeySet(t *testing.T) {
	set := keySet{map[string]any{}}
	users := keysOf(middleware.FromKeySet(set))
	checkVerdict(t, users.Judge(bearing(t, withKid(t, "a"))), 503, "keys_unavailable;do=backoff")
	set.keys["a"] = &testKey.PublicKey
	checkVerdict(t, users.Judge(bearing(t, withKid(t, "a"))), 0, "")
	checkVerdict(t, users.Judge(bearing(t, withKid(t, "b"))), 401, "token_signature_invalid;do=refresh")
}

func TestStaticKeyMistakes(t *testing.T) {
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name     string
		key      any
		methods  []string
		mistakes int
	}{
		{"public key", &testKey.PublicKey, []string{"ES256"}, 0},
		{"one of two methods", &testKey.PublicKey, []string{"RS256", "ES256"}, 0},
		{"secret", make([]byte, 32), []string{"HS256"}, 0},
		{"several", jwt.VerificationKeySet{Keys: []jwt.VerificationKey{&testKey.PublicKey, &other.PublicKey}}, []string{"RS256", "ES256"}, 0},
		{"private key", testKey, []string{"ES256"}, 1},
		{"key of another method", &other.PublicKey, []string{"ES256"}, 1},
		{"nothing", nil, []string{"ES256"}, 1},
		{"no secret", []byte{}, []string{"HS256"}, 1},
		{"short secret", []byte("secret"), []string{"HS256"}, 1},
		{"no set", jwt.VerificationKeySet{}, []string{"ES256"}, 1},
		{"one of several", jwt.VerificationKeySet{Keys: []jwt.VerificationKey{&testKey.PublicKey, testKey}}, []string{"ES256"}, 1},
	} {
		_, err := middleware.NewJWT(testConfig(func(cfg *middleware.JWTConfig[appClaims]) {
			cfg.Keys, cfg.Methods = middleware.StaticKey(tc.key), tc.methods
		}))
		if tc.mistakes == 0 && err != nil || tc.mistakes > 0 && mistakes(t, err) != tc.mistakes {
			t.Errorf("%s: %v, want %d mistakes", tc.name, err, tc.mistakes)
		}
	}
}

// Of an error with which a look-up fails, nothing that the token said gets into the cause's text;
// what an operator needs does.
func TestKeyErrorsDoNotRepeatTheToken(t *testing.T) {
	const evil = "evil-kid-evil-kid"
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
	for _, tc := range []struct {
		name string
		err  error
		want string
	}{
		{"plain", refused, "connection refused"},
		{"names the key", fmt.Errorf("key %q: %w", evil, refused), "connection refused"},
		{"in a URL", &url.Error{Op: "Get", URL: "https://keys.example.com/" + strings.ReplaceAll(evil, "-", "%2D"), Err: refused}, "connection refused"},
		{"nothing else", fmt.Errorf("%w %s", middleware.ErrKeysUnavailable, evil), "unavailable"},
		{"long", errors.Join(middleware.ErrKeysUnavailable, errors.New(strings.Repeat("x", 9000))), "xxx"},
		{"unknown", fmt.Errorf("key not found: kid %q", evil), "no key"},
	} {
		v := keysOf(failing(tc.err)).Judge(bearing(t, withKid(t, evil)))
		text := v.Error()
		if strings.Contains(text, "evil") || !strings.Contains(text, tc.want) || len(text) > 500 {
			t.Errorf("%s: %.600s", tc.name, text)
		}
		if !errors.Is(v, tc.err) {
			t.Errorf("%s: the cause is lost", tc.name)
		}
	}
}

// Nor does it where an error quotes what the token said, or where that is no string.
func TestKeyErrorsThatQuoteTheToken(t *testing.T) {
	for _, kid := range []string{"evil\nline", `evil"`, "evil\u00ff", `"evil"`} {
		for _, verb := range []string{"%s", "%v", "%q", "%+q"} {
			v := keysOf(failing(fmt.Errorf("%w: key "+verb, middleware.ErrKeysUnavailable, kid))).Judge(bearing(t, withKid(t, kid)))
			if text := v.Error(); strings.Contains(text, "evil") {
				t.Errorf("%s of %q: %s", verb, kid, text)
			}
		}
	}
	claims := fmt.Sprintf(`{"iss":"https://id.example.com","aud":"chat","exp":%d}`, time.Now().Unix()+3600)
	token := written(t, `{"alg":"ES256","kid":["evil",{"evil":[1,"evil"]}]}`, claims)
	users := keysOf(middleware.KeysFunc(func(_ context.Context, t *jwt.Token) (any, error) {
		return nil, fmt.Errorf("%w: kid is %v, no string", middleware.ErrKeysUnavailable, t.Header["kid"])
	}))
	if text := users.Judge(bearing(t, token)).Error(); strings.Contains(text, "evil") {
		t.Error(text)
	}
}

// A panic in Keys is one for the log.
func TestKeysThatPanic(t *testing.T) {
	v := keysOf(middleware.KeysFunc(func(context.Context, *jwt.Token) (any, error) { panic("boom") })).
		Judge(bearing(t, sign(t, testKey, goodClaims())))
	if _, ok := errors.AsType[*policy.PanicError](v); !ok {
		t.Errorf("got %v", v)
	}
}
