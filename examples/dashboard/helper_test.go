package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/wsverdict/wsverdict/examples/internal/chrome"
	"github.com/wsverdict/wsverdict/middleware"
	"github.com/wsverdict/wsverdict/upgrade/upgradetest"
)

// In the environment these make the test binary the server itself, whose tokens live for so long.
const (
	beMain = "WSVERDICT_DASHBOARD_MAIN"
	life   = "WSVERDICT_DASHBOARD_TOKEN_LIFE"
)

func TestMain(m *testing.M) {
	if os.Getenv(beMain) != "" {
		if d, err := time.ParseDuration(os.Getenv(life)); err == nil {
			tokenLife = d
		}
		main()
		os.Exit(0)
	}
	slog.SetDefault(slog.New(slog.DiscardHandler))
	os.Exit(chrome.Main(m))
}

// acmeKey is the API key of a service of acme's.
const acmeKey = "3X4MPL3K3Y0F4CM3"

// A company is the application in memory, and who gives out its tokens.
type company struct {
	*dashboard
	http.Handler
	issuer development
}

func newCompany(t *testing.T) *company {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	issuer := development{"https://id.example.com", key, middleware.APIKey[Account]{
		Hash: middleware.HashAPIKey(acmeKey), Subject: "shop", Value: Account{"acme", "service"},
	}}
	d := newDashboard(issuer.issuer, middleware.StaticKey(&key.PublicKey), issuer.lookup)
	return &company{d, d.routes(), issuer}
}

// token is good for an hour. user is "bob" or, with a role, "ada/admin".
func (co *company) token(tenant, user string) string { return co.tokenFor(tenant, user, time.Hour) }

func (co *company) tokenFor(tenant, user string, life time.Duration) string {
	user, role, _ := strings.Cut(user, "/")
	return co.issuer.token(user, Account{tenant, role}, "browser of "+user, life)
}

func (co *company) bearer(tenant, user string) (fields []string) {
	return []string{"Authorization", "Bearer " + co.token(tenant, user)}
}

// open connects somebody to their own tenant's figures, and takes the welcome.
func (co *company) open(t *testing.T, tenant, user string) *upgradetest.Client {
	t.Helper()
	c := upgradetest.Open(t, co, "/t/"+tenant+"/ws", co.bearer(tenant, user)...)
	hears(t, c, `{"type":"welcome","user":"`)
	return c
}

// hears wants an event that begins so.
func hears(t *testing.T, c *upgradetest.Client, want string) (event string) {
	t.Helper()
	event = string(c.Frame().Payload)
	if !strings.HasPrefix(event, want) {
		t.Fatalf("got %q, want %q", event, want)
	}
	return event
}

// call sends an ordinary request, as a page of the application does.
func (co *company) call(t *testing.T, method, path, body string, fields ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "http://app.example.com"+path, strings.NewReader(body))
	r.Header.Set("Origin", "http://app.example.com")
	for i := 0; i < len(fields); i += 2 {
		r.Header.Set(fields[i], fields[i+1])
	}
	w := httptest.NewRecorder()
	co.ServeHTTP(w, r)
	return w.Result()
}

// wantCall calls, and wants a status and something in the body.
func (co *company) wantCall(t *testing.T, status int, want, method, path, body string, fields ...string) {
	t.Helper()
	res := co.call(t, method, path, body, fields...)
	got, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != status || !strings.Contains(string(got), want) {
		t.Fatalf("%s %s: %d %q (%v), want %d %q", method, path, res.StatusCode, got, err, status, want)
	}
}
