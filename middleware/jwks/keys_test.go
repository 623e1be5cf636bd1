package jwks_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/time/rate"

	"github.com/wsverdict/wsverdict/middleware"
	"github.com/wsverdict/wsverdict/middleware/jwks"
)

const (
	allowed     = ""
	badToken    = "token_signature_invalid"
	unavailable = "keys_unavailable"
)

func TestServerIsUp(t *testing.T) {
	p := newProvider(t, "a", "b").start()
	u, keys := users(t, p)
	if err := keys.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	for token, want := range map[string]string{
		p.token("a"): allowed, p.token("b"): allowed, p.token(""): allowed, // without a key id all are tried
		p.token("made up"): badToken, newProvider(t, "a").token("a"): badToken,
	} {
		if got := judge(u, token); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if err := keys.Err(); err != nil {
		t.Error(err)
	}
}

// The first token may come before the set: it waits for it.
func TestAFirstTokenWaitsForTheSet(t *testing.T) {
	p := newProvider(t, "a").start()
	p.hang = make(chan struct{})
	u, _ := users(t, p)
	got := make(chan string)
	go func() { got <- judge(u, p.token("a")) }()
	close(p.hang)
	if slug := <-got; slug != allowed {
		t.Errorf("got %q", slug)
	}
}

func TestKeysByURL(t *testing.T) {
	p := newProvider(t, "a").start()
	u, _ := users(t, p, func(cfg *jwks.Config) { cfg.Issuer, cfg.URL = "", p.issuer+"/keys" })
	if got := judge(u, p.token("a")); got != allowed {
		t.Errorf("got %q", got)
	}
}

// Nothing listens when the process starts; when it does, all is well without a restart.
func TestServerIsDownAtStart(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	p := newProvider(t, "a")
	p.at("http://" + addr)
	var failures atomic.Int32
	u, keys := users(t, p, func(cfg *jwks.Config) { cfg.OnError = func(error) { failures.Add(1) } })
	for _, kid := range []string{"a", "made up", ""} {
		if got := judge(u, p.token(kid)); got != unavailable {
			t.Errorf("%q: got %q, want %q: clients would throw good tokens away", kid, got, unavailable)
		}
	}
	expired, cancel := context.WithCancel(t.Context())
	cancel()
	if err := keys.Ready(expired); err == nil || keys.Err() == nil || failures.Load() == 0 {
		t.Errorf("ready %v, err %v, %d failures reported", err, keys.Err(), failures.Load())
	}
	p.later(addr)
	if err := keys.Ready(t.Context()); err != nil { // by the fetches in the background alone
		t.Fatal(err)
	}
	if got := judge(u, p.token("a")); got != allowed {
		t.Errorf("got %q", got)
	}
}

// A server that answers nothing, or 500, or nonsense: 503 for keys that are not there, and those
// that are stay good.
func TestServerMisbehaves(t *testing.T) {
	for name, misbehave := range map[string]func(*provider){
		"hanging":        func(p *provider) { p.hang = make(chan struct{}) },
		"500":            func(p *provider) { p.status = 500 },
		"another issuer": func(p *provider) { p.metadata["issuer"] += "/" },
		"http elsewhere": func(p *provider) { p.metadata["jwks_uri"] = "http://192.0.2.1/keys" },
		"no keys":        func(p *provider) { p.metadata["jwks_uri"] = p.issuer + "/.well-known/openid-configuration" },
		"nowhere":        func(p *provider) { p.metadata["jwks_uri"] = p.issuer + "/nowhere" },
		"endless": func(p *provider) {
			p.set = append(p.set, map[string]string{"x": strings.Repeat("x", 2<<20)})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			quick := func(cfg *jwks.Config) { cfg.Timeout = 200 * time.Millisecond }
			p := newProvider(t, "a").start()
			before, keys := users(t, p, quick)
			if err := keys.Ready(t.Context()); err != nil {
				t.Fatal(err)
			}
			p.with(func() { misbehave(p) })
			after, _ := users(t, p, quick)
			if got := judge(after, p.token("a")); got != unavailable {
				t.Errorf("never fetched: %q, want %q", got, unavailable)
			}
			if got := judge(before, p.token("a")); got != allowed {
				t.Errorf("fetched before: %q", got)
			}
			// It may be one of the new keys, for all that can be known.
			eventually(t, func() bool { return judge(before, p.token("made up")) == unavailable })
			if got := judge(before, p.token("a")); got != allowed {
				t.Errorf("fetched before, after a failure: %q", got)
			}
		})
	}
}

// A token that is signed with a new key is good as soon as it comes, and one of a withdrawn key is
// bad after the next fetch.
func TestRotation(t *testing.T) {
	p := newProvider(t, "a").start()
	u, keys := users(t, p)
	if err := keys.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	generation := keys.Generation()
	p.add("b")
	eventually(t, func() bool { return judge(u, p.token("b")) == allowed })
	if got := judge(u, p.token("a")); got != allowed {
		t.Errorf("the old key: %q", got)
	}
	if keys.Generation() == generation {
		t.Error("another set is of the same generation")
	}
	p.with(func() { p.set = p.set[1:] })
	eventually(t, func() bool {
		judge(u, p.token("made up")) // has the set fetched, in time
		return judge(u, p.token("a")) == badToken
	})
	generation = keys.Generation()
	before := p.fetches.Load()
	eventually(t, func() bool { judge(u, p.token("made up")); return p.fetches.Load() > before+1 })
	if keys.Generation() != generation {
		t.Error("the same set is of another generation")
	}
	p.with(func() { p.set = nil }) // all of them
	eventually(t, func() bool {    // not by judge, which answers the same after a hundred unknown keys
		_, err := keys.Key(t.Context(), &jwt.Token{Header: map[string]any{"kid": "b", "alg": "ES256"}})
		return errors.Is(err, middleware.ErrKeysUnavailable)
	})
	if got := judge(u, p.token("b")); got != unavailable {
		t.Errorf("a token of an empty set: %q", got)
	}
}

// The set is fetched again without anybody asking.
func TestRefresh(t *testing.T) {
	p := newProvider(t, "a").start()
	_, keys := users(t, p, func(cfg *jwks.Config) { cfg.Refresh = 10 * time.Millisecond })
	before := keys.Generation()
	p.add("b")
	eventually(t, func() bool { return keys.Generation() > before && p.fetches.Load() > 3 })
}

// Anybody can make up key ids: a flood of them fetches the set once.
func TestAFloodOfUnknownKeys(t *testing.T) {
	p := newProvider(t, "a").start()
	u, keys := users(t, p, func(cfg *jwks.Config) { cfg.Cooldown = time.Hour })
	if err := keys.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if got := judge(u, p.token("made up")); got != badToken {
				t.Errorf("got %q", got)
			}
			if got := judge(u, p.token("a")); got != allowed {
				t.Errorf("the good one: %q", got)
			}
		})
	}
	all.Wait()
	if n := p.fetches.Load(); n != 1 {
		t.Errorf("%d fetches", n)
	}
}

// Of a set that holds other things too, the keys for signatures are taken: a public server's
// symmetric key would be everybody's secret.
func TestOtherKeysAreLeftOut(t *testing.T) {
	p := newProvider(t, "a").start()
	p.with(func() {
		p.set = append([]any{
			map[string]string{"kty": "oct", "kid": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA"},
			map[string]string{"kty": "new", "kid": "new"},
			map[string]any{"kty": 7},
			"nonsense",
		}, p.set...)
	})
	u, keys := users(t, p)
	if got := judge(u, p.token("a")); got != allowed {
		t.Errorf("got %q", got)
	}
	for _, kid := range []string{"oct", "new"} {
		if key, ok := keys.Local(&jwt.Token{Header: map[string]any{"kid": kid, "alg": "HS256"}}); ok {
			t.Errorf("%s: %v", kid, key)
		}
	}
}

// transport answers without a network.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// While the server is down it is asked in growing pauses, and when the context ends no more.
func TestPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var asked atomic.Int32
		_, err := jwks.New(ctx, jwks.Config{URL: "https://id.example.com/keys", Client: &http.Client{
			Transport: transport(func(*http.Request) (*http.Response, error) { asked.Add(1); return nil, errors.New("down") }),
		}})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		early := asked.Load()
		time.Sleep(time.Hour)
		if late := asked.Load() - early; early < 5 || early > 15 || late < 50 || late > 130 {
			t.Errorf("asked %d times in the first minute, %d in the hour after it", early, late)
		}
		cancel()
		synctest.Wait()
		early = asked.Load()
		time.Sleep(time.Hour)
		if asked.Load() != early {
			t.Error("asked after the end")
		}
	})
}

// A redirect from https to http would let who sits on the way choose the keys.
func TestRedirects(t *testing.T) {
	to := func(url string) *http.Request { r, _ := http.NewRequest(http.MethodGet, url, nil); return r }
	https, http1 := to("https://id.example.com/a"), to("http://id.example.com/b")
	if err := jwks.SameScheme(to("https://keys.example.com/b"), []*http.Request{https}); err != nil {
		t.Error(err)
	}
	if jwks.SameScheme(http1, []*http.Request{https}) == nil || jwks.SameScheme(https, []*http.Request{https, https, https}) == nil {
		t.Error("followed")
	}
}

// keyfunc's own Keyfunc, as most have it, tells unavailable from unknown by middleware.FromKeySet.
func TestKeyfuncWithoutThisPackage(t *testing.T) {
	p := newProvider(t, "a").start()
	p.with(func() { p.status = 500 })
	quiet := keyfunc.Override{RefreshErrorHandlerFunc: func(string) func(context.Context, error) { return func(context.Context, error) {} },
		RefreshUnknownKID: rate.NewLimiter(rate.Inf, 1)}
	set, err := keyfunc.NewDefaultOverrideCtx(t.Context(), []string{p.issuer + "/keys"}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	var _ middleware.KeySet = set
	u := middleware.MustJWT(middleware.JWTConfig[jwt.RegisteredClaims]{Keys: middleware.FromKeySet(set), Methods: []string{"ES256"}})
	for _, kid := range []string{"a", "made up", ""} {
		if got := judge(u, p.token(kid)); got != unavailable {
			t.Errorf("never fetched, %q: %q", kid, got)
		}
	}
	p.with(func() { p.status = 0 })
	for kid, want := range map[string]string{"a": allowed, "made up": badToken} {
		if got := judge(u, p.token(kid)); got != want {
			t.Errorf("%q: %q, want %q", kid, got, want)
		}
	}
}

// A token that is remembered as good is forgotten when its key is withdrawn.
func TestRememberedTokenOfAWithdrawnKey(t *testing.T) {
	p := newProvider(t, "a", "b").start()
	keys, err := jwks.New(t.Context(), jwks.Config{Issuer: p.issuer, Cooldown: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	u := middleware.MustJWT(middleware.JWTConfig[jwt.RegisteredClaims]{
		Keys: keys, Methods: []string{"ES256"}, Remember: 100, Timeout: 10 * time.Second,
	})
	token := p.token("a")
	for range 2 {
		if got := judge(u, token); got != allowed {
			t.Fatalf("got %q", got)
		}
	}
	p.with(func() { p.set = p.set[1:] })
	eventually(t, func() bool {
		judge(u, p.token("made up")) // has the set fetched, in time
		return judge(u, token) == badToken
	})
}

func TestMistakes(t *testing.T) {
	for _, tc := range []struct {
		cfg  jwks.Config
		want int
	}{
		{jwks.Config{}, 1},
		{jwks.Config{Issuer: "https://id.example.com", URL: "https://id.example.com/keys"}, 1},
		{jwks.Config{Issuer: "http://id.example.com"}, 1},
		{jwks.Config{Issuer: "http://id.example.com", InsecureHTTP: true}, 0},
		{jwks.Config{Issuer: "id.example.com"}, 1},
		{jwks.Config{Issuer: "https://id.example.com/?tenant=1"}, 1},
		{jwks.Config{URL: "ftp://id.example.com/keys", Refresh: -1, Cooldown: -1, Timeout: -1}, 4},
		{jwks.Config{URL: "http://localhost:1/keys"}, 0},
	} {
		_, err := jwks.New(t.Context(), tc.cfg)
		var all interface{ Unwrap() []error }
		if n := 0; errors.As(err, &all) {
			n = len(all.Unwrap())
			if n != tc.want {
				t.Errorf("%+v: %v, want %d mistakes", tc.cfg, err, tc.want)
			}
		} else if tc.want != 0 || err != nil {
			t.Errorf("%+v: %v, want %d mistakes", tc.cfg, err, tc.want)
		}
	}
}
