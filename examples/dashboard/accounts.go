package main

import (
	"context"
	"net/http"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/wsverdict/wsverdict/middleware"
	"github.com/wsverdict/wsverdict/policy"
)

// An Account says where somebody belongs, whichever credential let them in. Who it is,
// policy.Subject says.
type Account struct {
	Tenant string `json:"tenant"`
	Role   string `json:"role,omitempty"` // "admin" runs this service; "service" brings figures
}

// Claims are those of the issuer's tokens.
type Claims struct {
	jwt.RegisteredClaims
	Account
	SignIn string `json:"sid"` // the browser's, the same from one token to the next
}

// A plan is what a tenant pays for.
type plan struct {
	handshakes middleware.Rate // of all of the tenant together
	messages   middleware.Rate // of each user, over all connections
}

var (
	free  = plan{middleware.PerMinute(30), middleware.Rate{Requests: 1, Per: time.Second, Burst: 5}}
	paid  = plan{middleware.PerMinute(600), middleware.PerSecond(20)}
	plans = map[string]plan{"acme": paid, "globex": free} // of the tenants: a database in real life
)

// A lookup finds an API key by its hash: in a database, say.
type lookup = func(context.Context, middleware.APIKeyHash) (middleware.APIKey[Account], bool, error)

// account is what the policy knows that let r pass.
func (d *dashboard) account(r *http.Request) Account {
	if claims, ok := d.users.Claims(r); ok {
		return claims.Account
	}
	account, _ := d.services.Value(r)
	return account
}

func tenantTag(tenant string) policy.Tag { return policy.Tag{Key: "tenant", Value: tenant} }
