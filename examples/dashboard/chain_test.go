package main

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade/upgradetest"
)

// ticket has one minted.
func (co *company) ticket(t *testing.T, tenant, user string) string {
	t.Helper()
	var answer struct{ Ticket string }
	res := co.call(t, "POST", "/t/"+tenant+"/ticket", "", co.bearer(tenant, user)...)
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil || answer.Ticket == "" {
		t.Fatalf("no ticket: %d (%v)", res.StatusCode, err)
	}
	return answer.Ticket
}

func TestWhoIsAdmitted(t *testing.T) {
	co := newCompany(t)
	for _, row := range []struct {
		name, query string
		fields      []string
	}{
		{"a token as other clients send it", "", []string{"Authorization", "Bearer " + co.token("acme", "bob")}},
		{"a token as a script sends it", "", []string{"Sec-WebSocket-Protocol", "dashboard.v1, bearer, " + co.token("acme", "joe")}},
		{"a cookie", "", []string{"Cookie", "session=" + co.token("acme", "kim")}},
		{"an API key", "", []string{"X-Api-Key", acmeKey}},
		{"a ticket", "?ticket=" + co.ticket(t, "acme", "lee"), nil},
		{"a ticket beside an API key that is wrong", "?ticket=" + co.ticket(t, "acme", "max"), []string{"X-Api-Key", "guessed"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			browser, _ := upgradetest.Judge(t, co, "/t/acme/ws"+row.query, row.fields...)
			browser.WantAdmitted(t)
		})
	}
}

func TestWhoIsRefused(t *testing.T) {
	co := newCompany(t)
	forged := newCompany(t).token("acme", "bob")
	elsewhere := co.issuer
	elsewhere.issuer = "https://id.example.org"
	mail, err := jwt.NewWithClaims(jwt.SigningMethodES256, Claims{RegisteredClaims: jwt.RegisteredClaims{
		Issuer: co.issuer.issuer, Subject: "bob", Audience: jwt.ClaimStrings{"mail"}, ExpiresAt: jwt.NewNumericDate(time.Now().Add(time.Hour)),
	}, Account: Account{Tenant: "acme"}}).SignedString(co.issuer.key)
	if err != nil {
		t.Fatal(err)
	}
	used := "?ticket=" + co.ticket(t, "acme", "bob")
	upgradetest.Judge(t, co, "/t/acme/ws"+used)
	for _, row := range []struct {
		name, path string
		fields     []string
		code       uint16
		reason     string
	}{
		{"nothing", "/t/acme/ws", nil, 4401, "token_missing;do=refresh"},
		{"an old token", "/t/acme/ws", []string{"Authorization", "Bearer " + co.tokenFor("acme", "bob", -time.Minute)}, 4401, "token_expired;do=refresh"},
		{"a forged token", "/t/acme/ws", []string{"Cookie", "session=" + forged}, 4401, "token_signature_invalid;do=refresh"},
		{"another issuer's token", "/t/acme/ws", []string{"Cookie", "session=" + elsewhere.token("bob", Account{Tenant: "acme"}, "", time.Hour)}, 4401, "token_issuer_invalid;do=stop"},
		{"a token for another service", "/t/acme/ws", []string{"Cookie", "session=" + mail}, 4401, "token_audience_invalid;do=stop"},
		{"a wrong API key", "/t/acme/ws", []string{"X-Api-Key", "guessed"}, 4401, "api_key_invalid;do=stop"},
		{"a used ticket", "/t/acme/ws" + used, nil, 4401, "ticket_invalid;do=refresh"},
		{"a ticket for another tenant", "/t/globex/ws?ticket=" + co.ticket(t, "acme", "bob"), nil, 4401, "ticket_invalid;do=refresh"},
		{"another tenant", "/t/acme/ws", co.bearer("globex", "eve"), 4403, "wrong_tenant;do=stop"},
		{"another tenant's service", "/t/globex/ws", []string{"X-Api-Key", acmeKey}, 4403, "wrong_tenant;do=stop"},
		{"no such tenant", "/t/initech/ws", co.bearer("acme", "bob"), 4403, "wrong_tenant;do=stop"},
		{"no such tenant, and a token for it", "/t/initech/ws", co.bearer("initech", "pet"), 4403, "wrong_tenant;do=stop"},
		{"a token for no tenant", "/t/acme/ws", co.bearer("", "bob"), 4403, "wrong_tenant;do=stop"},
	} {
		t.Run(row.name, func(t *testing.T) {
			browser, plain := upgradetest.Judge(t, co, row.path, row.fields...)
			browser.WantClose(t, row.code, row.reason)
			slug, _, _ := strings.Cut(row.reason, ";")
			plain.WantStatus(t, int(row.code)-4000, slug)
		})
	}
	t.Run("another site's page, with the cookie", func(t *testing.T) {
		browser, plain := upgradetest.Judge(t, co, "/t/acme/ws", "Origin", "https://evil.example", "Cookie", "session="+co.token("acme", "bob"))
		browser.WantStatus(t, 403, "origin_not_allowed")
		plain.WantStatus(t, 403, "origin_not_allowed")
	})
	t.Run("a ticket for a ticket", func(t *testing.T) {
		co.wantCall(t, 401, "token_missing", "POST", "/t/acme/ticket?ticket="+co.ticket(t, "acme", "bob"), "")
	})
}

// A policy is tested by calling it.
func TestOfTenant(t *testing.T) {
	co := newCompany(t)
	r := httptest.NewRequest("GET", "/", nil)
	r.SetPathValue("tenant", "acme")
	v := co.ofTenant(co.users.WithClaims(r, Claims{Account: Account{Tenant: "acme"}}))
	if tags := slices.Collect(v.Tags()); !v.Allowed() || !slices.Equal(tags, []policy.Tag{{Key: "tenant", Value: "acme"}}) {
		t.Errorf("a member: %v, tagged %v", v, tags)
	}
	if v := co.ofTenant(co.services.WithValue(r, Account{Tenant: "globex"})); !errors.Is(v, wrongTenant) {
		t.Errorf("a service of another: %v", v)
	}
}

func TestPlan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		co := newCompany(t)
		for range 15 { // each asks twice
			browser, _ := upgradetest.Judge(t, co, "/t/globex/ws", co.bearer("globex", "eve")...)
			browser.WantAdmitted(t)
		}
		browser, plain := upgradetest.Judge(t, co, "/t/globex/ws", co.bearer("globex", "fay")...) // it is all of globex
		browser.WantClose(t, 4429, "rate_limited;do=backoff;after=2")
		plain.WantStatus(t, 429, "rate_limited")
		if got := plain.Header.Get("RateLimit-Policy"); !strings.Contains(got, "q=30;w=60") {
			t.Errorf("RateLimit-Policy %q, want globex's", got)
		}
		for range 20 { // acme pays
			browser, _ = upgradetest.Judge(t, co, "/t/acme/ws", co.bearer("acme", "bob")...)
			browser.WantAdmitted(t)
		}
		time.Sleep(2 * time.Second)
		browser, _ = upgradetest.Judge(t, co, "/t/globex/ws", co.bearer("globex", "eve")...)
		browser.WantAdmitted(t)
	})
}

func TestThreeSeats(t *testing.T) {
	co := newCompany(t)
	first := co.open(t, "acme", "bob")
	co.open(t, "acme", "bob")
	co.open(t, "acme", "bob")
	browser, _ := upgradetest.Judge(t, co, "/t/acme/ws", co.bearer("acme", "bob")...)
	browser.WantClose(t, 4429, "too_many_connections;do=backoff")
	co.open(t, "acme", "joe")
	first.Leave(1000)
	upgradetest.Eventually(t, "the seat", func() bool { return co.up.Stats().Seats == 3 })
	co.open(t, "acme", "bob")
}

func TestBan(t *testing.T) {
	co := newCompany(t)
	admin := co.bearer("acme", "ada/admin")
	bob, joe := co.open(t, "acme", "bob"), co.open(t, "acme", "joe")
	co.wantCall(t, 403, "wrong_role", "POST", "/admin/bans/joe", "", co.bearer("acme", "bob")...)
	co.wantCall(t, 403, "wrong_role", "POST", "/admin/bans/joe", "", "X-Api-Key", acmeKey)
	co.wantCall(t, 403, "origin_not_allowed", "POST", "/admin/bans/joe", "", append(admin, "Origin", "https://evil.example")...)
	co.wantCall(t, 200, "", "POST", "/admin/bans/bob", "", admin...)
	bob.WantClose(4403, "banned;do=stop")
	joe.Say(`{"type":"note","text":"bye"}`, `{"type":"note","user":"joe","text":"bye"}`)
	browser, _ := upgradetest.Judge(t, co, "/t/acme/ws", co.bearer("acme", "bob")...)
	browser.WantClose(t, 4403, "banned;do=stop")
	co.wantCall(t, 403, "banned", "POST", "/t/acme/ticket", "", co.bearer("acme", "bob")...)
	co.wantCall(t, 200, "", "DELETE", "/admin/bans/bob", "", admin...)
	co.open(t, "acme", "bob")
}

func TestMaintenanceSparesAdministrators(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		co := newCompany(t)
		ada, bob := co.open(t, "acme", "ada/admin"), co.open(t, "acme", "bob")
		co.wantCall(t, 200, "", "POST", "/admin/maintenance", "", co.bearer("acme", "ada/admin")...)
		if code, reason := bob.ReadClose(); code != 4503 || !strings.HasPrefix(reason, "maintenance;do=backoff") {
			t.Errorf("bob is closed with %d %q", code, reason)
		}
		bob.Bye()
		ada.Say(`{"type":"note","text":"alone"}`, `{"type":"note","user":"ada","text":"alone"}`)
		browser, _ := upgradetest.Judge(t, co, "/t/acme/ws", co.bearer("acme", "bob")...)
		browser.WantClose(t, 4503, "maintenance;do=backoff")
		co.wantCall(t, 503, "maintenance", "PUT", "/t/acme/figures/orders", "1", "X-Api-Key", acmeKey)
		co.open(t, "acme", "ada/admin")
		co.wantCall(t, 200, "", "DELETE", "/admin/maintenance", "", co.bearer("acme", "ada/admin")...)
		co.open(t, "acme", "bob")
	})
}

func TestFigures(t *testing.T) {
	co := newCompany(t)
	bob, eve := co.open(t, "acme", "bob"), co.open(t, "globex", "eve")
	co.wantCall(t, 200, "", "PUT", "/t/acme/figures/orders", "42", "X-Api-Key", acmeKey)
	hears(t, bob, `{"type":"figures","figures":{"orders":42}}`)
	co.publish("globex", "visitors", 7)
	hears(t, eve, `{"type":"figures","figures":{"visitors":7}}`) // and nothing of acme's
	late := upgradetest.Open(t, co, "/t/acme/ws", co.bearer("acme", "joe")...)
	hears(t, late, `{"type":"welcome","user":"joe","figures":{"orders":42}}`)

	for _, row := range []struct {
		name, path, body string
		fields           []string
		status           int
		slug             string
	}{
		{"no number", "/t/acme/figures/orders", "many", []string{"X-Api-Key", acmeKey}, 400, "bad_figure"},
		{"much", "/t/acme/figures/orders", strings.Repeat(" ", 200) + "1", []string{"X-Api-Key", acmeKey}, 400, "bad_figure"},
		{"a user", "/t/acme/figures/orders", "1", co.bearer("acme", "bob"), 403, "wrong_role"},
		{"another tenant's", "/t/globex/figures/orders", "1", []string{"X-Api-Key", acmeKey}, 403, "wrong_tenant"},
	} {
		t.Run(row.name, func(t *testing.T) { co.wantCall(t, row.status, row.slug, "PUT", row.path, row.body, row.fields...) })
	}
	t.Run("too many", func(t *testing.T) {
		for i := range maxFigures - 1 {
			co.wantCall(t, 200, "", "PUT", "/t/acme/figures/"+strings.Repeat("x", 1+i%10)+strings.Repeat("y", i/10), "1", "X-Api-Key", acmeKey)
		}
		res := co.call(t, http.MethodPut, "/t/acme/figures/last", "1", "X-Api-Key", acmeKey)
		if res.StatusCode != http.StatusConflict {
			t.Errorf("the figure too many: %d", res.StatusCode)
		}
		co.wantCall(t, 200, "", "PUT", "/t/acme/figures/orders", "43", "X-Api-Key", acmeKey)
	})
}
