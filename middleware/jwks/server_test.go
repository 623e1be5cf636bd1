package jwks_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"

	"github.com/wsverdict/wsverdict/middleware"
	"github.com/wsverdict/wsverdict/middleware/jwks"
)

// A provider publishes its metadata and its keys over HTTP, and can be told to misbehave.
type provider struct {
	t      *testing.T
	issuer string
	keys   map[string]*ecdsa.PrivateKey

	mu       sync.Mutex
	set      []any // JWKs
	status   int   // instead of an answer
	hang     chan struct{}
	metadata map[string]string
	fetches  atomic.Int32 // of the keys
}

func newProvider(t *testing.T, kids ...string) *provider {
	p := &provider{t: t, keys: map[string]*ecdsa.PrivateKey{}, hang: make(chan struct{})}
	close(p.hang)
	for _, kid := range kids {
		p.add(kid)
	}
	return p
}

// start serves it on a new port.
func (p *provider) start() *provider {
	srv := httptest.NewServer(p)
	p.t.Cleanup(srv.Close)
	p.at(srv.URL)
	return p
}

func (p *provider) at(url string) {
	p.issuer = url
	p.metadata = map[string]string{"issuer": url, "jwks_uri": url + "/keys"}
}

func (p *provider) with(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
}

func (p *provider) add(kid string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		p.t.Fatal(err)
	}
	jwk, err := jwkset.NewJWKFromKey(&key.PublicKey, jwkset.JWKOptions{Metadata: jwkset.JWKMetadataOptions{KID: kid, ALG: jwkset.AlgES256, USE: jwkset.UseSig}})
	if err != nil {
		p.t.Fatal(err)
	}
	p.with(func() { p.keys[kid], p.set = key, append(p.set, jwk.Marshal()) })
}

func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	status, hang := p.status, p.hang
	var answer any = p.metadata
	if r.URL.Path == "/keys" {
		p.fetches.Add(1)
		answer = map[string]any{"keys": append([]any{}, p.set...)}
	}
	body, err := json.Marshal(answer)
	p.mu.Unlock()
	select {
	case <-hang:
	case <-r.Context().Done():
		return
	}
	switch {
	case err != nil:
		p.t.Error(err)
	case status != 0:
		w.WriteHeader(status)
	case r.URL.Path != "/keys" && r.URL.Path != "/.well-known/openid-configuration":
		http.NotFound(w, r)
	default:
		w.Write(body)
	}
}

// token is signed with the key of that name, which a stranger makes up.
func (p *provider) token(kid string) string {
	key := p.keys[kid]
	if key == nil {
		key = p.keys["a"]
	}
	token := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.RegisteredClaims{
		Subject: "alice", Issuer: p.issuer, ExpiresAt: jwt.NewNumericDate(time.Now().Add(time.Hour)),
	})
	if kid != "" {
		token.Header["kid"] = kid
	}
	s, err := token.SignedString(key)
	if err != nil {
		p.t.Fatal(err)
	}
	return s
}

// users are the ten lines of the documentation.
func users(t *testing.T, p *provider, edit ...func(*jwks.Config)) (*middleware.JWT[jwt.RegisteredClaims], *jwks.Keys) {
	t.Helper()
	cfg := jwks.Config{Issuer: p.issuer, Cooldown: 50 * time.Millisecond}
	for _, f := range edit {
		f(&cfg)
	}
	keys, err := jwks.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return middleware.MustJWT(middleware.JWTConfig[jwt.RegisteredClaims]{
		Keys: keys, Methods: []string{"ES256"}, Issuer: p.issuer, Timeout: 10 * time.Second,
	}), keys
}

// judge is the slug of what the policy says, "" if it allows.
func judge(u *middleware.JWT[jwt.RegisteredClaims], token string) string {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	return u.Judge(r).Slug()
}

// eventually polls: a set is fetched when it is.
func eventually(t *testing.T, true func() bool) {
	t.Helper()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for deadline := time.After(20 * time.Second); !true(); {
		select {
		case <-again.C:
		case <-deadline:
			t.Fatal("it did not come to be")
		}
	}
}

// later serves p on addr, which was free a moment ago.
func (p *provider) later(addr string) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		p.t.Skip("somebody else has taken the port: ", err)
	}
	srv := &http.Server{Handler: p}
	go func() {
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			p.t.Error(err)
		}
	}()
	p.t.Cleanup(func() { srv.Close() })
}
