package bench

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/httprate"
	"github.com/go-chi/jwtauth/v5"
	"github.com/golang-jwt/jwt/v5"
	gorilla "github.com/gorilla/websocket"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/middleware"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

// plenty never denies: a token a nanosecond.
var plenty = middleware.RateLimitConfig{Rate: middleware.PerSecond(1e9)}

var allow = policy.Func(func(*http.Request) policy.Verdict { return policy.Allow() })

func nothing(http.ResponseWriter, *http.Request) {}

func routing() http.Handler {
	r := chi.NewRouter()
	r.Get("/ws/rooms/{room}", nothing)
	return r
}

// neighbours are four links that all let the request pass.
func neighbours() http.Handler {
	ws := middleware.For(&upgrade.Upgrader{})
	r := chi.NewRouter()
	r.With(
		ws.Origin("https://app.example.com"),
		ws.Maintenance(&middleware.Switch{}),
		ws.RateLimit(plenty),
		ws.Use(allow),
	).Get("/ws/rooms/{room}", nothing)
	return r
}

func chain() Row {
	return Row{
		Name: "chain", Title: "Origin, maintenance, rate limit and a policy of one's own, all allowing", Base: "chi's routing alone", Floors: []string{"chi's routing alone"},
		Note: "On a chi router, in front of a handler that does nothing. What asks for an upgrade costs an allocation more where a link's " +
			"neighbour is not of this library: an End must find it though it is not there yet.",
		Targets: []Target{{Case: "wsverdict", Unit: "allocs/op", Most: 0, More: "chi's routing alone"}},
		Cases: []Case{
			{"chi's routing alone", serving(routing(), nil, newRequest())},
			{"wsverdict", serving(neighbours(), nil, newOrdinary())},
		},
	}
}

func serving(h http.Handler, early []byte, r *http.Request) func(*testing.B) {
	return func(b *testing.B) {
		w := newWriter(early)
		for b.Loop() {
			h.ServeHTTP(w, r)
		}
	}
}

var secret = sha256.Sum256([]byte("a secret of 32 bytes"))

// A signature is how tokens are signed and verified.
type signature struct {
	alg             string
	signs, verifies any
}

var signatures = map[string]func() signature{
	"HS256": sync.OnceValue(func() signature { return signature{"HS256", secret[:], secret[:]} }),
	"ES256": sync.OnceValue(func() signature {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			panic(err)
		}
		return signature{"ES256", key, key.Public()}
	}),
	"RS256": sync.OnceValue(func() signature {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		return signature{"RS256", key, key.Public()}
	}),
}

// bearer is a handshake with a good token.
func bearer(s signature) *http.Request {
	token, err := jwt.NewWithClaims(jwt.GetSigningMethod(s.alg), jwt.RegisteredClaims{
		Subject:   "alice",
		IssuedAt:  jwt.NewNumericDate(time.Now()),
		ExpiresAt: jwt.NewNumericDate(time.Now().Add(24 * time.Hour)),
	}).SignedString(s.signs)
	if err != nil {
		panic(err)
	}
	return newRequest("Authorization: Bearer " + token)
}

const (
	seenBefore = "wsverdict, a token seen before"
	remembered = 1000 // tokens
)

func whole(name, alg string, targets ...Target) Row {
	row := Row{
		Name: name, Title: "A whole chain with a token, " + alg, Base: "chi, httprate, jwtauth, gorilla",
		Targets: append(targets, Target{Case: seenBefore, Unit: "ns/op", Most: 1000}, Target{Case: seenBefore, Unit: "allocs/op", Most: 6}),
		Cases: []Case{
			{"golang-jwt's parse alone (floor)", func(b *testing.B) { parsing(b, signatures[alg]()) }},
			{"chi, httprate, jwtauth, gorilla", func(b *testing.B) { s := signatures[alg](); serving(peers(s), nil, bearer(s))(b) }},
			{"wsverdict", func(b *testing.B) { s := signatures[alg](); serving(ours(s, 0), clientClose, bearer(s))(b) }},
			{seenBefore, func(b *testing.B) { s := signatures[alg](); serving(ours(s, remembered), clientClose, bearer(s))(b) }},
			{"wsverdict, a token seen before, without chi", func(b *testing.B) {
				s := signatures[alg]()
				serving(links(s, remembered).Handler(http.HandlerFunc(nothing)), clientClose, bearer(s))(b)
			}},
		},
	}
	if alg == "HS256" {
		row.Note = "On a chi router: origin, rate limit by address, token; all allow, and the last policy looks at the claims and refuses with close code 4403. A token seen before is " +
			"one that JWTConfig.Remember knows. What cannot be spared then is the router (the row of chi's routing alone, above), the close frame (the first table) and a hash over the token."
	}
	return row
}

func peers(s signature) http.Handler {
	byIP := func(r *http.Request) (string, error) {
		ip, _, err := net.SplitHostPort(r.RemoteAddr)
		return httprate.CanonicalizeIP(ip), err
	}
	auth := jwtauth.New(s.alg, s.signs, s.verifies)
	var up gorilla.Upgrader // same-origin by default
	r := chi.NewRouter()
	r.With(
		httprate.LimitBy(1e9, time.Minute, byIP),
		jwtauth.Verifier(auth),
		jwtauth.Authenticator(auth),
	).Get("/ws/rooms/{room}", func(w http.ResponseWriter, r *http.Request) {
		token, _, err := jwtauth.FromContext(r.Context())
		if err != nil || token.Subject() != "alice" {
			panic("the token was refused")
		}
		conn, err := up.Upgrade(w, r, nil)
		if err != nil {
			panic(err)
		}
		conn.WriteControl(gorilla.CloseMessage, gorilla.FormatCloseMessage(4403, "not_a_member;do=stop"), time.Now().Add(2*time.Second))
		conn.Close()
	})
	return r
}

func ours(s signature, remember int) http.Handler {
	r := chi.NewRouter()
	r.With(links(s, remember)...).Get("/ws/rooms/{room}", nothing)
	return r
}

func links(s signature, remember int) chi.Middlewares {
	users := middleware.MustJWT(middleware.JWTConfig[jwt.RegisteredClaims]{
		Keys:     middleware.StaticKey(s.verifies),
		Methods:  []string{s.alg},
		Remember: remember,
	})
	notMember := policy.Close(codes.Forbidden, "not_a_member")
	ws := middleware.For(&upgrade.Upgrader{})
	return chi.Chain(
		ws.Origin("https://app.example.com"),
		ws.RateLimit(plenty),
		ws.Use(users),
		ws.Use(policy.Func(func(r *http.Request) policy.Verdict {
			if claims, ok := users.Claims(r); !ok || claims.Subject != "alice" {
				panic("the token was refused")
			}
			return notMember
		})),
	)
}

func parsing(b *testing.B, s signature) {
	parser := jwt.NewParser(jwt.WithValidMethods([]string{s.alg}))
	key := func(*jwt.Token) (any, error) { return s.verifies, nil }
	token := strings.TrimPrefix(bearer(s).Header.Get("Authorization"), "Bearer ")
	for b.Loop() {
		if _, err := parser.ParseWithClaims(token, &jwt.RegisteredClaims{}, key); err != nil {
			b.Fatal(err)
		}
	}
}
