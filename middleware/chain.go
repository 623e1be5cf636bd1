package middleware

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

// A Chain mounts policies whose verdicts end in one Upgrader. Its methods return middlewares for
// chi's Use and With; they are called while routes are set up, and panic with all mistakes in what
// they were given. The zero Chain mounts nothing: [For] makes one.
type Chain struct {
	up *upgrade.Upgrader
}

// For returns the Chain of up. It panics if up is nil.
func For(up *upgrade.Upgrader) Chain {
	if up == nil {
		panic("middleware: For: the Upgrader is nil")
	}
	return Chain{up}
}

func (c Chain) upgrader() *upgrade.Upgrader {
	if c.up == nil {
		panic("middleware: the zero Chain mounts nothing: middleware.For(up) makes one")
	}
	return c.up
}

// Use mounts a policy: a ready one, one of the user's own, or a combination.
func (c Chain) Use(p policy.Policy) func(http.Handler) http.Handler { return c.upgrader().Use(p) }

// Shadow mounts a policy on trial: it is judged and reported, never enforced.
func (c Chain) Shadow(p policy.Policy) func(http.Handler) http.Handler { return c.upgrader().Shadow(p) }

// RateLimit mounts a [RateLimit] of its own, so with buckets of its own: mount one [NewRateLimit]
// with [Chain.Use] in several places where they shall share.
func (c Chain) RateLimit(cfg RateLimitConfig) func(http.Handler) http.Handler {
	return c.Use(MustRateLimit(cfg))
}

// Maintenance mounts [NewMaintenance].
func (c Chain) Maintenance(s MaintenanceState, bypass ...policy.Policy) func(http.Handler) http.Handler {
	return c.Use(NewMaintenance(s, bypass...))
}

// mistakes collects what is wrong with a configuration.
type mistakes []error

func (m *mistakes) add(format string, args ...any) { *m = append(*m, fmt.Errorf(format, args...)) }

// err is all of them as one error, nil if there are none.
func (m mistakes) err(where string) error {
	if len(m) == 0 {
		return nil
	}
	return &ConfigError{where, m}
}

// A ConfigError is every mistake that was found in a configuration.
type ConfigError struct {
	Where    string // the constructor: "NewJWT"
	Mistakes []error
}

// Error lists the mistakes, each on a line of its own.
func (e *ConfigError) Error() string {
	text := strings.ReplaceAll(errors.Join(e.Mistakes...).Error(), "\n", "\n\t")
	return fmt.Sprintf("middleware: %s:\n\t%s", e.Where, text)
}

// Unwrap returns the mistakes.
func (e *ConfigError) Unwrap() []error { return e.Mistakes }
