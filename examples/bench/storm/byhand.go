package storm

import (
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/time/rate"
)

// byHand is what remains when every check is written out around gobwas, without a router and without middlewares.
func byHand(c checks) (server, error) {
	verify := verifyByHand(c)
	limited := limitByHand(c.requests)
	up := ws.HTTPUpgrader{Timeout: closeWait}
	refuse := func(code ws.StatusCode, reason string) http.HandlerFunc {
		frame := ws.MustCompileFrame(ws.NewCloseFrame(ws.NewCloseFrameBody(code, reason)))
		return func(w http.ResponseWriter, r *http.Request) {
			conn, _, _, err := up.Upgrade(r, w)
			if err != nil {
				return
			}
			conn.SetDeadline(time.Now().Add(closeWait))
			conn.Write(frame)
			go awaitClose(conn)
		}
	}
	maintenance := refuse(codeMaintenance, reasonMaintenance)
	tooMany := refuse(codeLimited, reasonLimited)
	unauthorized := refuse(codeExpired, reasonExpired)
	return server{handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		switch {
		case !sameOrigin(r):
			http.Error(w, "forbidden", forbidden)
		case c.maintenance:
			maintenance(w, r)
		case limited(address(r)):
			tooMany(w, r)
		case verify(token) != nil:
			unauthorized(w, r)
		default:
			if conn, _, _, err := up.Upgrade(r, w); err == nil {
				go readByHand(conn)
			}
		}
	})}, nil
}

// awaitClose reads until the client's close frame: what is unread when a socket is closed becomes a reset, which overtakes the close frame.
func awaitClose(conn net.Conn) {
	defer conn.Close()
	for {
		h, err := ws.ReadHeader(conn)
		if err != nil || h.OpCode == ws.OpClose {
			return
		}
		if _, err := io.CopyN(io.Discard, conn, h.Length); err != nil {
			return
		}
	}
}

func readByHand(conn net.Conn) {
	defer conn.Close()
	for {
		if _, _, err := wsutil.ReadClientData(conn); err != nil {
			return
		}
	}
}

func verifyByHand(c checks) func(token string) error {
	parser := jwt.NewParser(jwt.WithValidMethods([]string{c.alg}), jwt.WithExpirationRequired())
	return func(token string) error {
		_, err := parser.ParseWithClaims(token, &jwt.RegisteredClaims{}, func(*jwt.Token) (any, error) { return c.key, nil })
		return err
	}
}

// limitByHand is a token bucket of golang.org/x/time for each key. It never forgets one, as such maps do.
func limitByHand(perHour int) (over func(key string) bool) {
	var mu sync.Mutex
	buckets := map[string]*rate.Limiter{}
	return func(key string) bool {
		mu.Lock()
		l, ok := buckets[key]
		if !ok {
			l = rate.NewLimiter(rate.Limit(float64(perHour)/3600), perHour)
			buckets[key] = l
		}
		mu.Unlock()
		return !l.Allow()
	}
}
