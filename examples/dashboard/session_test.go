package main

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"

	"github.com/wsverdict/wsverdict/upgrade/upgradetest"
)

func TestNotes(t *testing.T) {
	co := newCompany(t)
	bob, joe, eve := co.open(t, "acme", "bob"), co.open(t, "acme", "joe"), co.open(t, "globex", "eve")
	bob.Say(`{"type":"note","text":"<b>hi</b>"}`, `{"type":"note","user":"bob","text":"\u003cb\u003ehi\u003c/b\u003e"}`)
	hears(t, joe, `{"type":"note","user":"bob"`)
	eve.Say(`{"type":"note","text":"anybody?"}`, `{"type":"note","user":"eve","text":"anybody?"}`)
}

func TestMessages(t *testing.T) {
	for _, row := range []struct {
		name, message string
		code          uint16
		reason        string
	}{
		{"no JSON", "hello", 4400, "message_malformed;do=stop"},
		{"nothing known", `{"type":"dance"}`, 4400, "unknown_message;do=stop"},
		{"too long", `{"type":"note","text":"` + strings.Repeat("x", 17_000) + `"}`, 1009, ""},
		{"no token", `{"type":"token","token":"x"}`, 4401, "token_malformed;do=stop"},
	} {
		t.Run(row.name, func(t *testing.T) {
			bob := newCompany(t).open(t, "acme", "bob")
			bob.SendText(row.message)
			if code, reason := bob.ReadClose(); code != row.code || !strings.HasPrefix(reason, row.reason) {
				t.Errorf("closed with %d %q, want %d %q", code, reason, row.code, row.reason)
			}
		})
	}
}

// TestMessageRate: a user has the plan's rate over all connections.
func TestMessageRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		co := newCompany(t)
		eve, again := co.open(t, "globex", "eve"), co.open(t, "globex", "eve")
		for range 5 {
			eve.SendText(`{"type":"note","text":"x"}`)
			hears(t, eve, `{"type":"note"`)
			hears(t, again, `{"type":"note"`)
		}
		again.SendText(`{"type":"note","text":"x"}`)
		again.WantClose(4429, "rate_limited;do=backoff;after=1")
		bob := co.open(t, "acme", "bob")
		for range 20 {
			bob.Say(`{"type":"note","text":"x"}`, `{"type":"note","user":"bob","text":"x"}`)
		}
		bob.SendText(`{"type":"note","text":"x"}`)
		bob.WantClose(4429, "rate_limited;do=backoff;after=1")
	})
}

// TestRenewal: whichever way the token came, the page is asked for another, and the connection stays.
func TestRenewal(t *testing.T) {
	for _, by := range []string{"token", "cookie", "ticket"} {
		t.Run(by, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				co := newCompany(t)
				begin, token := time.Now(), co.token("acme", "bob")
				var bob *upgradetest.Client
				switch by {
				case "token":
					bob = upgradetest.Open(t, co, "/t/acme/ws", "Sec-WebSocket-Protocol", "dashboard.v1, bearer, "+token)
				case "cookie":
					bob = upgradetest.Open(t, co, "/t/acme/ws", "Cookie", "session="+token)
				case "ticket":
					bob = upgradetest.Open(t, co, "/t/acme/ws?ticket="+co.ticket(t, "acme", "bob"), "Origin", "http://app.example.com")
				}
				hears(t, bob, `{"type":"welcome"`)
				hears(t, bob, `{"type":"expiring","until":"`)
				if after := time.Since(begin); after.Round(time.Second) != time.Hour-30*time.Second {
					t.Errorf("asked after %v", after)
				}
				renewed := time.Now().Add(time.Hour).Truncate(time.Second)
				if by == "cookie" {
					co.wantCall(t, 200, `{"renewed":1,"expires_in":`, "POST", "/t/acme/renew", "", "Cookie", "session="+co.token("acme", "bob"))
				} else {
					bob.SendText(`{"type":"token","token":"` + co.token("acme", "bob") + `"}`)
					var e event
					if json.Unmarshal([]byte(hears(t, bob, `{"type":"renewed"`)), &e); e.Until == nil || !e.Until.Equal(renewed) {
						t.Errorf("renewed until %v, want %v", e.Until, renewed)
					}
				}
				hears(t, bob, `{"type":"expiring","until":"`) // again, and nobody answers
				bob.WantClose(4401, "token_expired;do=refresh")
				if late := time.Since(renewed); late < 0 || late > time.Second {
					t.Errorf("closed %v after the new token ended", late)
				}
			})
		})
	}
}

func TestRenewalOfAnother(t *testing.T) {
	for _, row := range []struct {
		name, tenant, user string
		code               uint16
		reason             string
	}{
		{"user", "acme", "joe", 4403, "token_subject_mismatch;do=stop"},
		{"tenant", "globex", "bob", 4409, "account_changed;do=reconnect"},
		{"role", "acme", "bob/admin", 4409, "account_changed;do=reconnect"},
	} {
		t.Run(row.name, func(t *testing.T) {
			co := newCompany(t)
			bob := co.open(t, "acme", "bob")
			bob.SendText(`{"type":"token","token":"` + co.token(row.tenant, row.user) + `"}`)
			bob.WantClose(row.code, row.reason)
		})
	}
	t.Run("browser", func(t *testing.T) {
		co := newCompany(t)
		bob := co.open(t, "acme", "bob")
		other := co.issuer.token("bob", Account{Tenant: "acme"}, "another browser", time.Hour)
		co.wantCall(t, 200, `{"renewed":0`, "POST", "/t/acme/renew", "", "Cookie", "session="+other)
		bob.Say(`{"type":"note"}`, `{"type":"note","user":"bob"}`)
	})
}

// TestSlowConsumer: who does not read is closed, and nobody waits for it.
func TestSlowConsumer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		co := newCompany(t)
		slow, bob := co.open(t, "acme", "joe"), co.open(t, "acme", "bob")
		text := strings.Repeat("x", 4000)
		for i := 0; co.up.Stats().Live == 2 && i < 10_000; i++ {
			co.up.BroadcastJSON(event{Type: "note", User: "ada", Text: text}, tenantTag("acme"))
			hears(t, bob, `{"type":"note","user":"ada"`)
		}
		for f := slow.Frame(); ; f = slow.Frame() {
			if f.Header.OpCode == ws.OpClose {
				code, reason := ws.ParseCloseFrameData(f.Payload)
				if code != 4408 || reason != "slow_consumer;do=reconnect" {
					t.Errorf("closed with %d %q", code, reason)
				}
				break
			}
		}
		bob.Say(`{"type":"note","text":"hi"}`, `{"type":"note","user":"bob","text":"hi"}`)
	})
}

func TestShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		co := newCompany(t)
		bob := co.open(t, "acme", "bob")
		down := make(chan error, 1)
		go func() { down <- co.up.Shutdown(t.Context()) }()
		if code, reason := bob.ReadClose(); code != 4503 || !strings.HasPrefix(reason, "restart;do=reconnect;after=") {
			t.Errorf("closed with %d %q", code, reason)
		}
		bob.Bye()
		if err := <-down; err != nil {
			t.Error(err)
		}
	})
}
