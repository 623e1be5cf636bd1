package middleware_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/wsverdict/wsverdict/middleware"
)

// verifiers is a set of keys that tells its changes, and how often it was asked: once for each
// token that is verified.
type verifiers struct {
	mu         sync.Mutex
	keys       map[string]any
	generation uint64
	asked      atomic.Int32
}

func (k *verifiers) Local(token *jwt.Token) (any, bool) {
	k.asked.Add(1)
	k.mu.Lock()
	defer k.mu.Unlock()
	kid, _ := token.Header["kid"].(string)
	key, ok := k.keys[kid]
	return key, ok
}

func (k *verifiers) Key(context.Context, *jwt.Token) (any, error) { return nil, errNoSuchKey }

func (k *verifiers) Generation() uint64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.generation
}

func (k *verifiers) set(kid string, key any) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.generation++; key == nil {
		delete(k.keys, kid)
	} else {
		k.keys[kid] = key
	}
}

func newVerifiers() *verifiers {
	return &verifiers{keys: map[string]any{"a": &testKey.PublicKey}, generation: 7}
}

// remembering is a handle with a memory, for tokens that name their keys.
func remembering(keys middleware.Keys, edit ...func(*middleware.JWTConfig[appClaims])) *middleware.JWT[appClaims] {
	return keysOf(keys, append(edit, func(cfg *middleware.JWTConfig[appClaims]) { cfg.Remember = 1000 })...)
}

func signKid(t testing.TB, key *ecdsa.PrivateKey, kid string, edit ...func(*appClaims)) string {
	t.Helper()
	token := jwt.NewWithClaims(jwt.SigningMethodES256, goodClaims(edit...))
	token.Header["kid"] = kid
	s, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// What is remembered is answered as before, without being verified again: with the same verdict,
// claims, tags and expiry.
func TestRemembered(t *testing.T) {
	at := func(d time.Duration) *jwt.NumericDate { return jwt.NewNumericDate(time.Now().Add(d)) }
	kid := func(edit func(*appClaims)) string { return signKid(t, testKey, "a", edit) }
	for _, tc := range []struct {
		name, token, want string
		verified          int32 // how often, of three times
	}{
		{"good", kid(func(*appClaims) {}), "", 1},
		{"expired", kid(func(c *appClaims) { c.ExpiresAt = at(-time.Hour) }), "token_expired;do=refresh", 1},
		{"forged", signKid(t, newKey(), "a"), "token_signature_invalid;do=refresh", 1},
		{"audience", kid(func(c *appClaims) { c.Audience = jwt.ClaimStrings{"mail"} }), "token_audience_invalid;do=stop", 1},
		{"issuer", kid(func(c *appClaims) { c.Issuer = "evil" }), "token_issuer_invalid;do=stop", 1},
		{"no expiry", kid(func(c *appClaims) { c.ExpiresAt = nil }), "token_claims_invalid;do=stop", 1},
		{"malformed", "a.b.c", "token_malformed;do=stop", 0},
		{"unknown key", signKid(t, testKey, "b"), "token_signature_invalid;do=refresh", 3}, // it may become known
	} {
		t.Run(tc.name, func(t *testing.T) {
			keys := newVerifiers()
			users := remembering(keys, func(cfg *middleware.JWTConfig[appClaims]) { cfg.Tag = "user" })
			for range 3 {
				v := users.Judge(bearing(t, tc.token))
				if got := v.Reason().String(); got != tc.want {
					t.Errorf("got %q, want %q (%v)", got, tc.want, v.Cause())
				}
				if v.Allowed() {
					if tags := tagsOf(v); v.Subject() != "alice" || len(tags) != 1 || tags[0].Value != "alice" {
						t.Errorf("subject %q, tags %v", v.Subject(), tags)
					}
				} else if v.Cause() == nil {
					t.Error("a denial without a cause")
				}
			}
			if n := keys.asked.Load(); n != tc.verified {
				t.Errorf("verified %d times, want %d", n, tc.verified)
			}
		})
	}
}

// One byte is another token, wherever it is.
func TestRememberedTokenAltered(t *testing.T) {
	keys := newVerifiers()
	users, fresh := remembering(keys), keysOf(keys)
	good := signKid(t, testKey, "a")
	checkVerdict(t, users.Judge(bearing(t, good)), 0, "")
	for i := range good {
		for _, c := range []byte{good[i] ^ 1, 'A', '_'} {
			altered := []byte(good)
			if altered[i] = c; string(altered) == good {
				continue
			}
			// The bits at the end of base64url that mean nothing may be anything: such a token is
			// as good as the first.
			want := fresh.Judge(bearing(t, string(altered))).Reason()
			if got := users.Judge(bearing(t, string(altered))).Reason(); got != want {
				t.Errorf("byte %d as %q: %q, want %q", i, c, got, want)
			}
		}
	}
	for _, other := range []string{good + "A", good[:len(good)-1], good[1:], good + "." + good} {
		if users.Judge(bearing(t, other)).Allowed() {
			t.Errorf("%.20s… was let in", other)
		}
	}
	checkVerdict(t, users.Judge(bearing(t, good)), 0, "")
}

// The same claims under another key are another token.
func TestRememberedClaimsUnderAnotherKey(t *testing.T) {
	users := remembering(newVerifiers())
	claims := goodClaims()
	same := func(c *appClaims) { *c = claims }
	checkVerdict(t, users.Judge(bearing(t, signKid(t, testKey, "a", same))), 0, "")
	checkVerdict(t, users.Judge(bearing(t, signKid(t, newKey(), "a", same))), 401, "token_signature_invalid;do=refresh")
	checkVerdict(t, users.Judge(bearing(t, signKid(t, newKey(), "b", same))), 401, "token_signature_invalid;do=refresh")
}

// What a withdrawn key has signed is gone with it, and what was refused for want of a key is not
// held against it.
func TestRememberedKeysRotate(t *testing.T) {
	keys := newVerifiers()
	users := remembering(keys)
	next := newKey()
	old, new := signKid(t, testKey, "a"), signKid(t, next, "a")
	checkVerdict(t, users.Judge(bearing(t, old)), 0, "")
	checkVerdict(t, users.Judge(bearing(t, new)), 401, "token_signature_invalid;do=refresh")
	keys.set("a", &next.PublicKey)
	checkVerdict(t, users.Judge(bearing(t, old)), 401, "token_signature_invalid;do=refresh")
	checkVerdict(t, users.Judge(bearing(t, new)), 0, "")
	keys.set("a", nil)
	checkVerdict(t, users.Judge(bearing(t, new)), 401, "token_signature_invalid;do=refresh")
}

// A key that is withdrawn while a token is being verified with it counts as withdrawn before.
func TestRememberedKeyWithdrawnMeanwhile(t *testing.T) {
	keys := newVerifiers()
	var once sync.Once
	users := remembering(withdrawing{keys, func() { once.Do(func() { keys.set("a", nil) }) }})
	token := signKid(t, testKey, "a")
	users.Judge(bearing(t, token))
	checkVerdict(t, users.Judge(bearing(t, token)), 401, "token_signature_invalid;do=refresh")
}

type withdrawing struct {
	*verifiers
	then func()
}

func (w withdrawing) Local(token *jwt.Token) (any, bool) {
	key, ok := w.verifiers.Local(token)
	w.then()
	return key, ok
}

// What is remembered ends with exp (plus leeway), when a token becomes valid, and after its time;
// that is shorter where keys cannot tell that they change.
func TestRememberedEnds(t *testing.T) {
	exp := func(d time.Duration) func(*appClaims) {
		return func(c *appClaims) { c.ExpiresAt = jwt.NewNumericDate(time.Now().Add(d)) }
	}
	leeway := func(cfg *middleware.JWTConfig[appClaims]) { cfg.Leeway = 10 * time.Second }
	brief := func(cfg *middleware.JWTConfig[appClaims]) { cfg.RememberFor = time.Second }
	for _, tc := range []struct {
		name   string
		keys   func(*verifiers) middleware.Keys
		config []func(*middleware.JWTConfig[appClaims])
		claims func(*appClaims)
		steps  []string // after, want, verifications so far
	}{
		{"exp", versioned, nil, exp(time.Minute), []string{"59s  1", "2s token_expired 2"}},
		{"exp and leeway", versioned, []func(*middleware.JWTConfig[appClaims]){leeway}, exp(time.Minute),
			[]string{"69s  1", "2s token_expired 2"}},
		{"an hour", versioned, nil, exp(24 * time.Hour), []string{"59m59s  1", "2s  2"}},
		{"as long as one says", versioned, []func(*middleware.JWTConfig[appClaims]){brief}, exp(time.Hour), []string{"999ms  1", "2ms  2"}},
		{"a minute", unversioned, nil, exp(24 * time.Hour), []string{"59s  1", "2s  2"}},
		{"a refusal", versioned, nil, exp(-time.Hour), []string{"59m token_expired 1", "2m token_expired 2"}},
		{"not yet valid", versioned, nil, func(c *appClaims) { c.NotBefore = jwt.NewNumericDate(time.Now().Add(time.Minute)) },
			[]string{"58s token_not_yet_valid 1", "3s  2", "1m  2"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				keys := newVerifiers()
				users := remembering(tc.keys(keys), tc.config...)
				token := signKid(t, testKey, "a", tc.claims)
				users.Judge(bearing(t, token))
				for _, step := range tc.steps {
					parts := strings.Split(step, " ")
					after, err := time.ParseDuration(parts[0])
					if err != nil {
						t.Fatal(err)
					}
					time.Sleep(after)
					v := users.Judge(bearing(t, token))
					if got := fmt.Sprintf("%s %s %d", parts[0], v.Slug(), keys.asked.Load()); got != step {
						t.Errorf("got %q, want %q", got, step)
					}
					if left := v.After(); v.Slug() == "token_not_yet_valid" && (left < time.Second || left > 3*time.Second) {
						t.Errorf("told to wait %v, of 2 s", left)
					}
				}
			})
		})
	}
}

func versioned(k *verifiers) middleware.Keys { return k }

func unversioned(k *verifiers) middleware.Keys {
	return middleware.FromKeyfunc(func(token *jwt.Token) (any, error) {
		if key, ok := k.Local(token); ok {
			return key, nil
		}
		return nil, errNoSuchKey
	})
}

// Where keys cannot tell that they change, a bad signature may be the key's fault.
func TestBadSignaturesOfUnversionedKeysAreNotRemembered(t *testing.T) {
	keys := newVerifiers()
	users := remembering(unversioned(keys))
	forged := bearing(t, signKid(t, newKey(), "a"))
	users.Judge(forged)
	users.Judge(forged)
	if n := keys.asked.Load(); n != 2 {
		t.Errorf("verified %d times, want 2", n)
	}
}

// Revocation is asked about each time.
func TestRememberedAndRevoked(t *testing.T) {
	revoked := false
	users := remembering(newVerifiers(), func(cfg *middleware.JWTConfig[appClaims]) {
		cfg.Revoked = func(_ context.Context, c appClaims) (bool, error) {
			if c.Audience[0] != "chat" {
				t.Error("somebody has changed the claims")
			}
			c.Audience[0] = "changed" // they are its own
			return revoked, nil
		}
	})
	token := bearing(t, signKid(t, testKey, "a"))
	checkVerdict(t, users.Judge(token), 0, "")
	checkVerdict(t, users.Judge(token), 0, "")
	revoked = true
	checkVerdict(t, users.Judge(token), 401, "token_revoked;do=stop")
	revoked = false
	checkVerdict(t, users.Judge(token), 0, "")
}

// moody claims change their mind.
type moody struct{ jwt.RegisteredClaims }

var mood atomic.Pointer[error]

func (moody) Validate() error {
	if err := mood.Load(); err != nil {
		return *err
	}
	return nil
}

func TestRememberedClaimsValidateThemselvesEachTime(t *testing.T) {
	users := middleware.MustJWT(middleware.JWTConfig[moody]{Keys: newVerifiers(), Methods: []string{"ES256"}, Remember: 10})
	token := bearing(t, signKid(t, testKey, "a"))
	bad := errors.New("bad mood")
	for _, err := range []error{nil, bad, nil, bad} {
		if mood.Store(nil); err != nil {
			mood.Store(&err)
		}
		if v := users.Judge(token); v.Allowed() != (err == nil) || err != nil && !errors.Is(v, err) {
			t.Errorf("%v: got %v", err, v)
		}
	}
	mood.Store(nil)
	other := bearing(t, signKid(t, testKey, "a", func(c *appClaims) { c.ID = "other" }))
	mood.Store(&bad) // a first refusal is not held against it either
	users.Judge(other)
	mood.Store(nil)
	if v := users.Judge(other); !v.Allowed() {
		t.Errorf("got %v", v)
	}
}

// A flood of garbage makes no good token be forgotten, and a flood of one user's good ones none
// that is in use; neither costs more memory than was set aside.
func TestFloodsOfTokens(t *testing.T) {
	keys := newVerifiers()
	users := remembering(keys)
	good := bearing(t, signKid(t, testKey, "a"))
	users.Judge(good)
	checkStill := func(what string) {
		t.Helper()
		before := keys.asked.Load()
		checkVerdict(t, users.Judge(good), 0, "")
		if keys.asked.Load() != before {
			t.Errorf("%s: verified again", what)
		}
	}
	checkStill("before")
	claims := goodClaims()
	for i := range 20000 {
		users.Judge(bearing(t, fmt.Sprintf("%d.b.c", i)))
	}
	forged := strings.TrimRight(signKid(t, newKey(), "a", func(c *appClaims) { *c = claims }), "A")
	for i := range 3000 {
		users.Judge(bearing(t, forged[:len(forged)-4]+fmt.Sprintf("%04d", i)))
	}
	checkStill("garbage")
	for i := range 2000 {
		users.Judge(bearing(t, signKid(t, testKey, "a", func(c *appClaims) { c.Subject, c.ID = "flooder", fmt.Sprint(i) })))
		if i%10 == 0 {
			checkStill(fmt.Sprint("after ", i, " good ones"))
		}
	}
}

// Many who come with one token at the same time have it verified once, and one who leaves does not
// fail the others.
func TestConcurrentVerificationsHappenOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		asked := 0
		users := remembering(middleware.KeysFunc(func(ctx context.Context, _ *jwt.Token) (any, error) {
			asked++
			<-release
			return &testKey.PublicKey, ctx.Err()
		}))
		token := signKid(t, testKey, "a")
		first, leave := context.WithCancel(t.Context())
		left := make(chan int)
		go func() { left <- users.Judge(bearing(t, token).WithContext(first)).Status() }()
		synctest.Wait()
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() { checkVerdict(t, users.Judge(bearing(t, token)), 0, "") })
		}
		synctest.Wait()
		leave()
		if status := <-left; status != 503 {
			t.Errorf("who left: %d", status)
		}
		close(release)
		all.Wait()
		if asked != 1 {
			t.Errorf("verified %d times", asked)
		}
	})
}

// Claims with slices, maps and pointers are nobody's but the caller's.
func TestRememberedClaimsAreNotShared(t *testing.T) {
	type rich struct {
		Rooms []string          `json:"rooms"`
		Limit map[string]*int   `json:"limit"`
		Any   map[string]any    `json:"any"`
		Names map[string]string `json:"names"`
		jwt.RegisteredClaims
	}
	users := middleware.MustJWT(middleware.JWTConfig[rich]{Keys: middleware.StaticKey(&testKey.PublicKey), Methods: []string{"ES256"}, Remember: 10})
	one := 1
	token := sign(t, testKey, rich{Rooms: []string{"lobby"}, Limit: map[string]*int{"a": &one}, Any: map[string]any{"x": []any{"y"}},
		Names: map[string]string{"a": "b"}, RegisteredClaims: goodClaims().RegisteredClaims})
	r := bearing(t, token)
	claimsOf := func() rich {
		v := users.Judge(r)
		if !v.Allowed() {
			t.Fatal(v)
		}
		var got rich
		chainOf(t, users, r, func(c rich) { got = c })
		return got
	}
	for range 3 {
		c := claimsOf()
		if c.Rooms[0] != "lobby" || *c.Limit["a"] != 1 || c.Any["x"].([]any)[0] != "y" || c.Names["a"] != "b" ||
			c.Audience[0] != "chat" || time.Until(c.ExpiresAt.Time) < 0 {
			t.Fatalf("somebody has changed %+v", c)
		}
		c.Rooms[0], *c.Limit["a"], c.Any["x"].([]any)[0], c.Audience[0], c.ExpiresAt.Time = "x", 2, "x", "x", time.Time{}
		clear(c.Names)
	}
}

// What cannot be copied cannot be remembered, unless it says how.
func TestClaimsThatCannotBeRemembered(t *testing.T) {
	cfg := middleware.JWTConfig[secretive]{Keys: middleware.StaticKey(&testKey.PublicKey), Methods: []string{"ES256"}}
	if _, err := middleware.NewJWT(cfg); err != nil {
		t.Error(err)
	}
	cfg.Remember, cfg.RememberFor = 10, -1
	_, err := middleware.NewJWT(cfg)
	if mistakes(t, err) != 2 {
		t.Errorf("got %v", err)
	}
}

type secretive struct {
	jwt.RegisteredClaims
	cache map[string]int
}

func (s secretive) Validate() error {
	if s.cache != nil {
		return errors.New("full before anybody has filled it")
	}
	return nil
}

// A panic in the claims' own methods is a denial.
func TestRememberingClaimsThatPanic(t *testing.T) {
	users := middleware.MustJWT(middleware.JWTConfig[panicky]{Keys: newVerifiers(), Methods: []string{"ES256"}, Remember: 10})
	if v := users.Judge(bearing(t, signKid(t, testKey, "a"))); v.Status() != 500 {
		t.Errorf("got %v", v)
	}
}

type panicky struct{ jwt.RegisteredClaims }

func (p panicky) Validate() error { panic("boom") }

// A hit allocates nothing, whatever the algorithm; and one token more costs what the documentation
// says.
func TestRememberedCosts(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	secret := make([]byte, 32)
	for method, keys := range map[jwt.SigningMethod][2]any{
		jwt.SigningMethodHS256: {secret, secret},
		jwt.SigningMethodES256: {testKey, &testKey.PublicKey},
		jwt.SigningMethodRS256: {rsaKey, &rsaKey.PublicKey},
	} {
		token, err := jwt.NewWithClaims(method, goodClaims()).SignedString(keys[0])
		if err != nil {
			t.Fatal(err)
		}
		users := remembering(middleware.StaticKey(keys[1]), func(cfg *middleware.JWTConfig[appClaims]) { cfg.Methods = []string{method.Alg()} })
		good, bad := bearing(t, token), bearing(t, token[:len(token)-9]+"AAAAAAAAA")
		checkVerdict(t, users.Judge(good), 0, "")
		checkVerdict(t, users.Judge(bad), 401, "token_signature_invalid;do=refresh")
		// The race detector makes pools forget.
		if n := testing.AllocsPerRun(100, func() { users.Judge(good); users.Judge(bad) }); n > 0 && !raceDetector() {
			t.Errorf("%s: %v allocations", method.Alg(), n)
		}
	}
}

// TestRememberedMemory: the least of three measurements, since what earlier tests have left may go meanwhile, or come.
func TestRememberedMemory(t *testing.T) {
	const tokens, most = 4000, 900
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC() // what a sync.Pool has
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	var got []int64
	for range 3 {
		before := heap()
		users := keysOf(middleware.StaticKey(make([]byte, 32)), func(cfg *middleware.JWTConfig[appClaims]) {
			cfg.Methods, cfg.Remember, cfg.Tag = []string{"HS256"}, tokens, "user"
		})
		for i := range tokens {
			token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, goodClaims(func(c *appClaims) { c.Subject = fmt.Sprint("user", i) })).SignedString(make([]byte, 32))
			if err != nil {
				t.Fatal(err)
			}
			users.Judge(bearing(t, token))
		}
		each := (heap() - before) / tokens
		runtime.KeepAlive(users)
		if got = append(got, each); each > 100 && each <= most {
			return
		}
	}
	t.Errorf("%d bytes a token, the documentation says about 700", got)
}

func BenchmarkRemembered(b *testing.B) {
	token := sign(b, testKey, goodClaims())
	users := remembering(middleware.StaticKey(&testKey.PublicKey))
	r := bearing(b, token)
	users.Judge(r)
	b.Run("hit", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			users.Judge(r)
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				users.Judge(r)
			}
		})
	})
}
