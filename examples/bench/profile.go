package bench

import (
	"bytes"
	"net/http"
	"runtime/pprof"
	"time"

	"github.com/wsverdict/wsverdict/examples/bench/internal/parts"
)

// A Profile is where the time of a chain in memory went, by part of the work, in the order of [Parts]. The shares add up to 1.
type Profile struct {
	Name   string
	Nanos  float64 // of CPU, for each handshake
	Shares []float64
}

const (
	garbage  = "collector"
	ourLinks = "links, policies, verdicts"
)

// division has copies of requests with whoever makes them: the router, for the parameters of the path, and the link behind which claims
// are to be found. What a type with a type parameter is called has that in it: only the beginning tells.
var division = parts.Division{
	Parts: []string{
		"harness", "chi", "golang-jwt", "signature", "names, crit", "hash of the token", "clock", "token", "request with claims",
		"rate limit", "origin", ourLinks, "close frame", "SHA-1", garbage,
	},
	Rules: [][2]string{
		{"crypto/sha1.", "SHA-1"}, {"crypto/internal/fips140/sha1", "SHA-1"},
		{"crypto/hmac.", "signature"}, {"crypto/internal/fips140/hmac.", "signature"}, {"crypto/ecdsa.", "signature"}, {"crypto/rsa.", "signature"},
		{"github.com/golang-jwt/jwt/v5/request.", "token"}, {"github.com/golang-jwt/", "golang-jwt"},
		{"github.com/go-chi/chi/v5/middleware.", "rate limit"}, {"github.com/go-chi/", "chi"},
		{"time.Now", "clock"}, {"time.Since", "clock"},
		{"github.com/wsverdict/wsverdict/examples/", "harness"},
		{own + "middleware/internal/memo.Hash", "hash of the token"},
		{own + "middleware/internal/unique.", "names, crit"}, {own + "middleware.(*buffer)", "names, crit"},
		{own + "middleware.(*JWT", "token"}, {own + "middleware/internal/", "token"}, {own + "middleware.bearer", "token"}, {own + "middleware.TokenSources", "token"},
		{own + "middleware.(*originList)", "origin"},
		{own + "middleware.", "rate limit"}, // all that is left
		{own + "upgrade.(*link).judgeOrigin", "origin"}, {own + "upgrade.(*link).checkOrigin", "origin"}, {own + "upgrade.ParseOrigin", "origin"}, {own + "upgrade/internal/origin.", "origin"},
		{own + "upgrade.(*link).bring", "request with claims"}, {own + "upgrade.(*carriedRequest).fill", "request with claims"},
		{own + "upgrade.(*config).", "close frame"}, {own + "upgrade.(*link).deny", "close frame"}, {own + "upgrade.accepted", "close frame"}, {own + "upgrade.after", "close frame"},
		{own + "upgrade/internal/", "close frame"}, {own + "codes.", "close frame"},
		{own, ourLinks},
	},
	Rest: garbage,
}

const own = "github.com/wsverdict/wsverdict/"

// Parts are what a chain's time is divided into.
var Parts = division.Parts

// Foreign reports whether a part is the work of others, or what cannot be left out whoever does the work.
func Foreign(part string) bool {
	switch part {
	case "harness", "chi", "golang-jwt", "signature", "hash of the token", "clock", "SHA-1", garbage:
		return true
	}
	return false
}

// Profiles profiles whole chains with a token, each for so long.
func Profiles(each time.Duration) ([]Profile, error) {
	var all []Profile
	for _, c := range []struct {
		name, alg string
		remember  int
	}{
		{"HS256, for the first time", "HS256", 0},
		{"HS256, seen before", "HS256", remembered},
		{"RS256, seen before", "RS256", remembered},
	} {
		s := signatures[c.alg]()
		p, err := profiled(ours(s, c.remember), bearer(s), each)
		if err != nil {
			return nil, err
		}
		p.Name = c.name
		all = append(all, p)
	}
	return all, nil
}

func profiled(h http.Handler, r *http.Request, each time.Duration) (Profile, error) {
	w := newWriter(clientClose)
	var out bytes.Buffer
	if err := pprof.StartCPUProfile(&out); err != nil {
		return Profile{}, err
	}
	const batch = 1000
	n := 0
	for begun := time.Now(); time.Since(begun) < each; n += batch {
		for range batch {
			h.ServeHTTP(w, r)
		}
	}
	pprof.StopCPUProfile()
	shares, nanos, err := division.Shares(&out)
	return Profile{Nanos: nanos / float64(n), Shares: shares}, err
}
