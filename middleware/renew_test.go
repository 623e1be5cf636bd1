package middleware_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/middleware"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

// short is the leeway of these tests: exp has whole seconds, and what is left of a token's time
// must be enough for a handshake.
const short = 3 * time.Second

func shortly(cfg *middleware.JWTConfig[appClaims]) { cfg.Leeway = short }

// passed is a token whose exp has just passed: it lives on its leeway.
func passed(t *testing.T, edit ...func(*appClaims)) (token string, end time.Time) {
	exp := time.Now().Truncate(time.Second)
	edits := append([]func(*appClaims){func(c *appClaims) { c.ExpiresAt = jwt.NewNumericDate(exp) }}, edit...)
	return sign(t, testKey, goodClaims(edits...)), exp.Add(short)
}

// renewing is a session whose client sends tokens. It says what became of each, and goes on with
// the old one.
func renewing(users *middleware.JWT[appClaims]) upgrade.Session {
	return func(ctx context.Context, c *upgrade.Conn) error {
		for {
			typ, p, err := c.Read(ctx, nil)
			if err != nil {
				return err
			}
			answer := string(p)
			if answer != "ping" {
				claims, err := users.Renew(ctx, c, string(p))
				if v := (policy.Verdict{}); errors.As(err, &v) {
					answer = v.Reason().String()
				} else if err != nil {
					answer = err.Error()
				} else {
					answer = "renewed as " + claims.Role
				}
			}
			if err := c.Write(ctx, typ, []byte(answer)); err != nil {
				return err
			}
		}
	}
}

// A connection lives as long as its token, unless it was renewed in time. Those that outlive it are
// seen beside one that does not.
func TestTokenExpiresOnALiveConnection(t *testing.T) {
	synctest.Test(t, testTokenExpiresOnALiveConnection)
}

func testTokenExpiresOnALiveConnection(t *testing.T) {
	token, end := passed(t)
	var all []*upgrade.Upgrader
	connect := func(users *middleware.JWT[appClaims], outer ...policy.Policy) *peer {
		up := &upgrade.Upgrader{}
		all = append(all, up)
		h := up.Use(users)(up.Handler(run(renewing(users))))
		for _, p := range outer {
			h = up.Use(p)(h)
		}
		return dialInMemory(t, h, "Authorization", "Bearer "+token)
	}
	noExpiry := func(cfg *middleware.JWTConfig[appClaims]) { cfg.AllowNoExpiry = true }
	keep := func(cfg *middleware.JWTConfig[appClaims]) { cfg.KeepExpired = true }
	long := func(c *appClaims) { c.Role = "long" }

	plain := connect(middleware.MustJWT(testConfig(shortly)))
	kept := connect(middleware.MustJWT(testConfig(shortly, keep)))
	renewed := connect(middleware.MustJWT(testConfig(shortly)))
	renewed.say(sign(t, testKey, goodClaims(long)), "renewed as long")
	forever := connect(middleware.MustJWT(testConfig(shortly, noExpiry)))
	forever.say(sign(t, testKey, goodClaims(func(c *appClaims) { c.ExpiresAt = nil })), "renewed as admin")
	refused := connect(middleware.MustJWT(testConfig(shortly)))
	refused.say(sign(t, testKey, goodClaims(func(c *appClaims) { c.Subject = "bob" })), "token_subject_mismatch;do=stop")
	refused.say(sign(t, newKey(), goodClaims()), "token_signature_invalid;do=refresh")
	earliest := connect(middleware.MustJWT(testConfig(shortly)), middleware.MustJWT(testConfig(shortly)))
	earliest.say(sign(t, testKey, goodClaims(long)), "renewed as long") // that of one handle, not the other's

	for name, p := range map[string]*peer{"plain": plain, "refused": refused, "earliest": earliest} {
		p.wantClose(4401, "token_expired;do=refresh")
		if now := time.Now(); now.Before(end) {
			t.Errorf("%s: closed %v early", name, end.Sub(now))
		}
	}
	for _, p := range []*peer{kept, renewed, forever} {
		p.say("ping", "ping")
		p.leave()
	}
	for _, up := range all {
		wantEmpty(t, up)
	}
}

// What a session gets for a token that does not renew, and what its client sees when it returns that.
func TestRenewRefuses(t *testing.T) {
	users := middleware.MustJWT(testConfig(func(cfg *middleware.JWTConfig[appClaims]) {
		cfg.Revoked = func(_ context.Context, c appClaims) (bool, error) {
			if c.Role == "unknown" {
				return false, errors.New("down")
			}
			return c.Role == "revoked", nil
		}
	}))
	up := &upgrade.Upgrader{}
	addr := live(t, up.Use(users)(up.Handler(run(func(ctx context.Context, c *upgrade.Conn) error {
		_, p, err := c.Read(ctx, nil)
		if err != nil {
			return err
		}
		_, err = users.Renew(ctx, c, string(p))
		return err
	}))))
	edited := func(edit func(*appClaims)) string { return sign(t, testKey, goodClaims(edit)) }
	for _, tc := range []struct {
		name, token string
		code        uint16
		reason      string
	}{
		{name: "good", token: edited(func(*appClaims) {}), code: 1000},
		{name: "another subject", token: edited(func(c *appClaims) { c.Subject = "bob" }), code: 4403, reason: "token_subject_mismatch;do=stop"},
		{name: "no subject", token: edited(func(c *appClaims) { c.Subject = "" }), code: 4403, reason: "token_subject_mismatch;do=stop"},
		{name: "expired", token: edited(func(c *appClaims) { c.ExpiresAt = jwt.NewNumericDate(time.Now().Add(-time.Hour)) }),
			code: 4401, reason: "token_expired;do=refresh"},
		{name: "forged", token: sign(t, newKey(), goodClaims()), code: 4401, reason: "token_signature_invalid;do=refresh"},
		{name: "no token", token: "hello", code: 4401, reason: "token_malformed;do=stop"},
		{name: "empty", token: "", code: 4401, reason: "token_malformed;do=stop"},
		{name: "too long", token: edited(func(c *appClaims) { c.Role = string(make([]byte, middleware.MaxToken)) }), code: 4401, reason: "token_malformed;do=stop"},
		{name: "no expiry", token: edited(func(c *appClaims) { c.ExpiresAt = nil }), code: 4401, reason: "token_claims_invalid;do=stop"},
		{name: "wrong audience", token: edited(func(c *appClaims) { c.Audience = jwt.ClaimStrings{"mail"} }), code: 4401, reason: "token_audience_invalid;do=stop"},
		{name: "revoked", token: edited(func(c *appClaims) { c.Role = "revoked" }), code: 4401, reason: "token_revoked;do=stop"},
		{name: "not known", token: edited(func(c *appClaims) { c.Role = "unknown" }), code: 4503, reason: "revocation_unavailable;do=backoff"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := dial(t, addr, "Authorization", "Bearer "+edited(func(*appClaims) {}))
			p.send(textFrame(tc.token))
			p.wantClose(tc.code, tc.reason)
		})
	}
	wantEmpty(t, up)
}

// A token without exp is renewed like any other, and replaces the tags; the handle that did not admit has
// nothing to renew, and on a closed connection it is too late.
func TestRenewWithoutExpiry(t *testing.T) {
	users := middleware.MustJWT(testConfig(func(cfg *middleware.JWTConfig[appClaims]) {
		cfg.AllowNoExpiry, cfg.Tag = true, "user"
		cfg.Tags = func(c appClaims) []policy.Tag { return []policy.Tag{{Key: "jti", Value: c.ID}} }
	}))
	other := middleware.MustJWT(testConfig())
	up := &upgrade.Upgrader{}
	good := sign(t, testKey, goodClaims(func(c *appClaims) { c.ID = "2" }))
	tags := make(chan []policy.Tag, 1)
	errs := make(chan error, 3)
	addr := live(t, up.Use(users)(up.Handler(run(func(ctx context.Context, c *upgrade.Conn) error {
		for _, handle := range []*middleware.JWT[appClaims]{users, other} {
			_, err := handle.Renew(ctx, c, good)
			errs <- err
		}
		tags <- c.Tags()
		c.Close(policy.Close(codes.Forbidden, "banned"))
		_, err := users.Renew(context.Background(), c, good)
		errs <- err
		return nil
	}))))
	p := dial(t, addr, "Authorization", "Bearer "+sign(t, testKey, goodClaims(func(c *appClaims) { c.ExpiresAt, c.ID = nil, "1" })))
	p.wantClose(4403, "banned;do=stop")
	if got := <-tags; !slices.Equal(got, []policy.Tag{{Key: "jti", Value: "2"}, {Key: "user", Value: "alice"}}) {
		t.Errorf("tags %v", got)
	}
	for _, want := range []error{nil, upgrade.ErrNoExpiry, upgrade.ErrClosed} {
		err := <-errs
		if !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
		if v, ok := errors.AsType[policy.Verdict](err); want == upgrade.ErrNoExpiry && (!ok || v.Code() != codes.Conflict) {
			t.Errorf("got %v, which a session cannot return to close with it", err)
		}
	}
	wantEmpty(t, up)
}

// A session that returns what Renew said closes with it, also where another policy had admitted the
// connection.
func TestRenewOfAConnectionThatAnAPIKeyAdmitted(t *testing.T) {
	users := middleware.MustJWT(testConfig())
	keys := policy.Func(func(r *http.Request) policy.Verdict {
		if r.Header.Get("X-Api-Key") == "secret" {
			return policy.Allow()
		}
		return policy.Close(codes.Unauthorized, "api_key_missing")
	})
	up := &upgrade.Upgrader{}
	addr := live(t, up.Use(policy.Any(users, keys))(up.Handler(run(func(ctx context.Context, c *upgrade.Conn) error {
		_, p, err := c.Read(ctx, nil)
		if err != nil {
			return err
		}
		_, err = users.Renew(ctx, c, string(p))
		return err
	}))))
	p := dial(t, addr, "X-Api-Key", "secret")
	p.send(textFrame(sign(t, testKey, goodClaims())))
	p.wantClose(4409, "token_not_renewable;do=stop")
	wantEmpty(t, up)
}

// A token that is good for a very long time does not end early.
func TestTokenOfTheYear9999(t *testing.T) {
	users := middleware.MustJWT(testConfig())
	for _, year := range []int{2040, 2263, 9999} {
		up := &upgrade.Upgrader{}
		addr := live(t, up.Use(users)(up.Handler(run(echo))))
		p := dial(t, addr, "Authorization", "Bearer "+sign(t, testKey, goodClaims(func(c *appClaims) {
			c.ExpiresAt = jwt.NewNumericDate(time.Date(year, 12, 31, 0, 0, 0, 0, time.UTC))
		})))
		gone := dial(t, live(t, up.Use(policy.Func(func(*http.Request) policy.Verdict {
			return policy.Allow().WithExpiry(policy.Expiry{At: time.Now().Add(200 * time.Millisecond), Owner: 1})
		}))(up.Handler(run(echo)))))
		gone.wantClose(4401, "token_expired;do=refresh")
		p.say("still here", "still here")
		p.leave()
		wantEmpty(t, up)
	}
}

// Further claims are tags too, so that a token that is revoked ends what it admitted.
func TestTagsOfAToken(t *testing.T) {
	users := middleware.MustJWT(testConfig(func(cfg *middleware.JWTConfig[appClaims]) {
		cfg.Tag = "user"
		cfg.Tags = func(c appClaims) []policy.Tag {
			return []policy.Tag{{Key: "token", Value: c.ID}, {Key: "role", Value: c.Role}}
		}
	}))
	v := users.Judge(bearing(t, sign(t, testKey, goodClaims(func(c *appClaims) { c.ID = "7" }))))
	want := []policy.Tag{{Key: "user", Value: "alice"}, {Key: "token", Value: "7"}, {Key: "role", Value: "admin"}}
	if got := tagsOf(v); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	v = users.Judge(bearing(t, sign(t, testKey, goodClaims(func(c *appClaims) { c.Role = "" }))))
	if got := tagsOf(v); !slices.Equal(got, want[:1]) {
		t.Errorf("got %v, want no tags without a value", got)
	}
}

// A renewed connection is found by what the new token says, and not any more by what the old one said.
func TestRenewReplacesTheTokensTags(t *testing.T) {
	users := middleware.MustJWT(testConfig(func(cfg *middleware.JWTConfig[appClaims]) {
		cfg.Tag = "user"
		cfg.Tags = func(c appClaims) []policy.Tag { return []policy.Tag{{Key: "token", Value: c.ID}} }
	}))
	token := func(id string) string { return sign(t, testKey, goodClaims(func(c *appClaims) { c.ID = id })) }
	up := &upgrade.Upgrader{}
	p := dial(t, live(t, up.Use(users)(up.Handler(run(renewing(users))))), "Authorization", "Bearer "+token("old"))
	p.say(token("new"), "renewed as admin")
	revoked := policy.Close(codes.Unauthorized, "token_revoked")
	if n := up.End(revoked, 0, policy.Tag{Key: "token", Value: "old"}); n != 0 {
		t.Errorf("%d connections by the old token", n)
	}
	p.say("ping", "ping")
	if n := up.End(revoked, 0, policy.Tag{Key: "token", Value: "new"}, policy.Tag{Key: "user", Value: "alice"}); n != 1 {
		t.Errorf("%d connections by the new token and its subject", n)
	}
	p.wantClose(4401, "token_revoked;do=refresh")
	wantEmpty(t, up)
}

// A ban of the new token, recorded and said while Renew runs, finds the connection: the policy was asked
// before, and End found nothing yet.
func TestBanDuringRenewal(t *testing.T) {
	up := &upgrade.Upgrader{}
	var banned atomic.Bool
	fresh := policy.Tag{Key: "token", Value: "new"}
	revoked := policy.Close(codes.Unauthorized, "token_revoked").WithAction(codes.Stop)
	users := middleware.MustJWT(testConfig(func(cfg *middleware.JWTConfig[appClaims]) {
		cfg.Tags = func(c appClaims) []policy.Tag { return []policy.Tag{{Key: "token", Value: c.ID}} }
		cfg.Revoked = func(_ context.Context, c appClaims) (bool, error) {
			before := banned.Load()
			if c.ID == "new" && !before {
				banned.Store(true)
				up.End(revoked, 0, fresh)
			}
			return before && c.ID == "new", nil
		}
	}))
	token := func(id string) string { return sign(t, testKey, goodClaims(func(c *appClaims) { c.ID = id })) }
	p := dial(t, live(t, up.Use(users)(up.Handler(run(renewing(users))))), "Authorization", "Bearer "+token("old"))
	p.send(textFrame(token("new")))
	p.wantClose(4401, "token_revoked;do=stop")
	wantEmpty(t, up)
}

// The subject is a tag, by which a user's connections are found.
func TestTokenTagsItsConnections(t *testing.T) {
	users := middleware.MustJWT(testConfig(func(cfg *middleware.JWTConfig[appClaims]) { cfg.Tag = "user" }))
	up := &upgrade.Upgrader{}
	addr := live(t, up.Use(users)(up.Handler(run(echo))))
	as := func(subject string) *peer {
		return dial(t, addr, "Authorization", "Bearer "+sign(t, testKey, goodClaims(func(c *appClaims) { c.Subject = subject })))
	}
	alice, bob, nobody := as("alice"), as("bob"), as("")
	if n := up.End(policy.Close(codes.Forbidden, "banned"), 0, policy.Tag{Key: "user", Value: ""}); n != 0 {
		t.Errorf("%d connections have no name for a tag", n)
	}
	if n := up.End(policy.Close(codes.Forbidden, "banned"), 0, policy.Tag{Key: "user", Value: "alice"}); n != 1 {
		t.Errorf("%d connections of alice", n)
	}
	alice.wantClose(4403, "banned;do=stop")
	for _, p := range []*peer{bob, nobody} {
		p.say("still here", "still here")
		p.leave()
	}
	wantEmpty(t, up)
}
