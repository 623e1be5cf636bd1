package storm

import (
	"os"
	"path/filepath"
	"time"

	"github.com/wsverdict/wsverdict/examples/bench/internal/parts"
)

// A Profile is where a server's CPU time went, by part of the work, in the order of [Parts]. The shares add up to 1.
type Profile struct {
	Storm   string
	Library string
	Micros  float64 // for each handshake
	Shares  []float64
}

const scheduler = "Go runtime: scheduler"

// division is what a handshake's time is divided into: what the Go runtime does for net/http (allocating, above all) is net/http's.
var division = parts.Division{
	Parts: []string{
		"kernel: TCP", "net/http", "signature", "JWT: base64, JSON, claims", "SHA-1", "chi, httprate", "WebSocket library", "wsverdict", "Go runtime: collector", scheduler,
	},
	Rules: [][2]string{
		{"internal/runtime/syscall.", "kernel: TCP"}, {"syscall.", "kernel: TCP"}, {"internal/poll.", "kernel: TCP"},
		{"crypto/sha1.", "SHA-1"}, {"crypto/internal/fips140/sha1", "SHA-1"},
		{"crypto/ecdsa.", "signature"}, {"crypto/rsa.", "signature"}, {"crypto/hmac.", "signature"}, {"crypto/sha256.", "signature"}, {"crypto/internal/", "signature"}, {"math/big.", "signature"},
		{"encoding/json", "JWT: base64, JSON, claims"}, {"github.com/golang-jwt/", "JWT: base64, JSON, claims"}, {"github.com/lestrrat-go/", "JWT: base64, JSON, claims"},
		{"github.com/go-chi/jwtauth", "JWT: base64, JSON, claims"}, {"github.com/goccy/", "JWT: base64, JSON, claims"},
		{"github.com/go-chi/", "chi, httprate"},
		{"github.com/gobwas/", "WebSocket library"}, {"github.com/gorilla/", "WebSocket library"}, {"github.com/coder/", "WebSocket library"}, {"github.com/lxzan/", "WebSocket library"},
		{"github.com/centrifugal/", "WebSocket library"},
		{"github.com/wsverdict/wsverdict/examples/", "chi, httprate"}, {"github.com/wsverdict/", "wsverdict"},
		{"net/http.", "net/http"}, {"net/textproto.", "net/http"}, {"net/url.", "net/http"}, {"net.", "net/http"}, {"bufio.", "net/http"},
		{"runtime.gcBgMarkWorker", "Go runtime: collector"}, {"runtime.bgsweep", "Go runtime: collector"}, {"runtime.bgscavenge", "Go runtime: collector"},
	},
	Rest: scheduler,
}

// Parts are what a handshake's time is divided into.
var Parts = division.Parts

// Profiles profiles the handshakes of this library and of the chain around gorilla, each storm for so long.
func Profiles(each time.Duration) ([]Profile, error) {
	var all []Profile
	for _, s := range []struct {
		name string
		storm
	}{
		{"admitted, HS256", storm{alg: "HS256", life: good, want: admitted}},
		{"admitted, ES256", storm{alg: "ES256", life: good, want: admitted}},
		{"expired, refused", storm{alg: "HS256", life: expired, want: codeExpired}},
	} {
		for _, name := range []string{ours.name, gorillaChain} {
			l, err := findLibrary(name)
			if err != nil {
				return nil, err
			}
			p, err := s.profile(l, each)
			if err != nil {
				return nil, err
			}
			p.Storm = s.name
			all = append(all, *p)
		}
	}
	return all, nil
}

func (s storm) profile(l library, each time.Duration) (*Profile, error) {
	dir, err := os.MkdirTemp("", "storm")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "cpu")
	tokens := issuers[s.alg]().tokens(500, s.life)
	r, err := s.start(l)
	if err != nil {
		return nil, err
	}
	defer r.Kill()
	before, err := r.Ask("profile " + file)
	if err != nil {
		return nil, err
	}
	n := 0
	for begun := time.Now(); time.Since(begun) < each; n += len(tokens) {
		c := newCrowd(r, l.dials, tokens)
		c.connect(s.want)
		c.leave()
	}
	after, err := r.Ask("profiled")
	if err != nil {
		return nil, err
	}
	p, err := read(file)
	if err != nil {
		return nil, err
	}
	p.Library, p.Micros = l.name, micro(after.CPU-before.CPU)/float64(n)
	return p, nil
}

func read(file string) (*Profile, error) {
	in, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	shares, _, err := division.Shares(in)
	return &Profile{Shares: shares}, err
}
