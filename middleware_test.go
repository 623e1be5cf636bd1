// The whole chain as its users have it: policies mounted in real routers, judged over real sockets.
package wsverdict_test

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	chimw "github.com/go-chi/chi/v5/middleware"
	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	"github.com/golang-jwt/jwt/v5"
	"github.com/golang-jwt/jwt/v5/request"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/middleware"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
	"github.com/wsverdict/wsverdict/upgrade/upgradetest"
)

type middlewares = []func(http.Handler) http.Handler

func TestMain(m *testing.M) { os.Exit(upgradetest.HTTP2(m.Run)) }

// mounts are the ways in which a chain can be mounted, each serving path. A close frame arrives as one in all of them:
// a link knows its Upgrader, whatever stands in between. Those for GET have no route for an extended CONNECT.
var mounts = []struct {
	name string
	path string
	make func(links middlewares, endpoint http.Handler) http.Handler
}{
	{"With", "/ws/lobby", func(links middlewares, endpoint http.Handler) http.Handler {
		r := chi.NewRouter()
		r.With(links...).Handle("/ws/{room}", endpoint)
		return r
	}},
	{"Group", "/ws/lobby", func(links middlewares, endpoint http.Handler) http.Handler {
		r := chi.NewRouter()
		r.Group(func(r chi.Router) {
			r.Use(links...)
			r.Handle("/ws/{room}", endpoint)
		})
		return r
	}},
	{"Route and Use", "/ws/lobby", func(links middlewares, endpoint http.Handler) http.Handler {
		r := chi.NewRouter()
		r.Route("/ws", func(r chi.Router) {
			r.Use(links...)
			r.Handle("/{room}", endpoint)
		})
		return r
	}},
	{"root Use", "/ws/lobby", func(links middlewares, endpoint http.Handler) http.Handler {
		r := chi.NewRouter()
		r.Use(links...)
		r.Handle("/ws/{room}", endpoint)
		return r
	}},
	{"Mount", "/ws/lobby", func(links middlewares, endpoint http.Handler) http.Handler {
		sub := chi.NewRouter()
		sub.Use(links...)
		sub.Handle("/{room}", endpoint)
		r := chi.NewRouter()
		r.Mount("/ws", sub)
		return r
	}},
	{"NotFound", "/nowhere", func(links middlewares, endpoint http.Handler) http.Handler {
		r := chi.NewRouter()
		r.With(links...).NotFound(endpoint.ServeHTTP)
		return r
	}},
	{"NotFound and root Use", "/nowhere", func(links middlewares, endpoint http.Handler) http.Handler {
		r := chi.NewRouter()
		r.Use(links...)
		r.Get("/", http.NotFound) // without any route chi skips what Use mounted
		r.NotFound(endpoint.ServeHTTP)
		return r
	}},
	{"StripPrefix", "/api/ws/lobby", func(links middlewares, endpoint http.Handler) http.Handler {
		sub := chi.NewRouter()
		sub.With(links...).Handle("/ws/{room}", endpoint)
		r := chi.NewRouter()
		r.Mount("/api", http.StripPrefix("/api", sub))
		return r
	}},
	{"foreign middlewares between", "/ws/lobby", func(links middlewares, endpoint http.Handler) http.Handler {
		var mixed middlewares
		quiet := chimw.RequestLogger(&chimw.DefaultLogFormatter{Logger: discardLogger{}, NoColor: true})
		for _, link := range links {
			mixed = append(mixed, link, chimw.NoCache, quiet, chimw.Timeout(time.Minute))
		}
		r := chi.NewRouter()
		r.With(mixed...).Handle("/ws/{room}", endpoint)
		return r
	}},
	{"foreign middlewares around", "/ws/lobby", func(links middlewares, endpoint http.Handler) http.Handler {
		r := chi.NewRouter()
		r.Use(chimw.RequestID, chimw.Recoverer, chimw.Throttle(100), chimw.Compress(5), chimw.Heartbeat("/ping"))
		r.With(links...).Handle("/ws/{room}", endpoint)
		return r
	}},
	{"Get with a method value", "/ws/lobby", func(links middlewares, endpoint http.Handler) http.Handler {
		r := chi.NewRouter()
		r.With(links...).Get("/ws/{room}", endpoint.ServeHTTP)
		return r
	}},
	{"http.ServeMux", "/ws/lobby", func(links middlewares, endpoint http.Handler) http.Handler {
		for _, link := range slices.Backward(links) {
			endpoint = link(endpoint)
		}
		mux := http.NewServeMux()
		mux.Handle("GET /ws/{room}", endpoint)
		return mux
	}},
}

type discardLogger struct{}

func (discardLogger) Print(...any) {}

// refusals are the policies, and what the client gets from each.
var refusals = []struct {
	name   string
	links  func(middleware.Chain) middlewares
	header http.Header // of every request
	before int         // requests that go before
	want   outcome
}{
	{name: "allowed", links: everything,
		header: http.Header{"Origin": {"https://app.example.com"}, "Authorization": {"Bearer " + bearerToken("alice", time.Hour)}},
		want:   outcome{admitted: true, status: 426, slug: "upgrade_required"}},
	{name: "foreign origin", links: everything,
		header: http.Header{"Origin": {"https://app.example.com.evil.test"}},
		want:   outcome{status: 403, slug: "origin_not_allowed", hidden: true}},
	{name: "no token", links: everything,
		header: http.Header{"Origin": {"https://eu.example.com"}},
		want:   outcome{status: 401, code: 4401, reason: "token_missing;do=refresh", slug: "token_missing"}},
	{name: "expired", links: everything,
		header: http.Header{"Authorization": {"Bearer " + bearerToken("alice", -time.Hour)}},
		want:   outcome{status: 401, code: 4401, reason: "token_expired;do=refresh", slug: "token_expired"}},
	{name: "not a member", links: everything,
		header: http.Header{"Authorization": {"Bearer " + bearerToken("mallory", time.Hour)}},
		want:   outcome{status: 403, code: 4403, reason: "not_a_member;do=stop", slug: "not_a_member"}},
	{name: "rate limited", before: 1, links: func(ws middleware.Chain) middlewares {
		// The longest wait that can be told is shorter than this: none of it passes.
		return middlewares{ws.RateLimit(middleware.RateLimitConfig{Rate: middleware.Rate{Requests: 1, Per: 2 * codes.MaxAfter}})}
	}, want: outcome{status: 429, code: 4429, reason: "rate_limited;do=backoff;after=999999999", slug: "rate_limited", retryAfter: "999999999"}},
	{name: "maintenance", links: func(ws middleware.Chain) middlewares {
		down := &middleware.Switch{}
		down.On()
		return middlewares{ws.Maintenance(down)}
	}, want: outcome{status: 503, code: 4503, reason: "maintenance;do=backoff", slug: "maintenance"}},
	{name: "own code", links: func(ws middleware.Chain) middlewares {
		return middlewares{ws.Use(policy.Func(func(*http.Request) policy.Verdict {
			return policy.Close(4100, "trial_over").WithStatus(402)
		}))}
	}, want: outcome{status: 402, code: 4100, reason: "trial_over;do=stop", slug: "trial_over"}},
	{name: "undecided", links: func(ws middleware.Chain) middlewares {
		return middlewares{ws.Use(policy.Func(func(*http.Request) (v policy.Verdict) { return v }))}
	}, want: outcome{status: 500, code: 4500, reason: "undecided;do=backoff", slug: "undecided"}},
	{name: "rejected", links: func(ws middleware.Chain) middlewares {
		return middlewares{ws.Use(policy.Func(func(*http.Request) policy.Verdict { return policy.Reject(codes.Forbidden, "banned_network") }))}
	}, want: outcome{status: 403, slug: "banned_network", hidden: true}},
}

// An outcome is what a client is to get: the status and slug on HTTP; on WebSocket the close frame, or the status again where
// the verdict is hidden.
type outcome struct {
	admitted   bool
	hidden     bool
	status     int
	slug       string
	code       uint16
	reason     string
	retryAfter string
}

var (
	signingKey, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	users         = middleware.MustJWT(middleware.JWTConfig[jwt.RegisteredClaims]{
		Keys:    middleware.StaticKey(&signingKey.PublicKey),
		Methods: []string{"ES256"},
		From:    []request.Extractor{middleware.Bearer, middleware.Subprotocol("bearer")},
	})
)

func bearerToken(subject string, life time.Duration) string {
	s, err := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.RegisteredClaims{
		Subject: subject, ExpiresAt: jwt.NewNumericDate(time.Now().Add(life)),
	}).SignedString(signingKey)
	if err != nil {
		panic(err)
	}
	return s
}

// everything is the chain of the README.
func everything(ws middleware.Chain) middlewares {
	return middlewares{
		ws.Origin("https://app.example.com", "https://*.example.com"),
		ws.Maintenance(&middleware.Switch{}),
		ws.RateLimit(middleware.RateLimitConfig{Rate: middleware.PerMinute(100), Key: middleware.ByIP}),
		ws.Use(users),
		ws.Use(policy.Named("members", policy.Func(membersOnly))),
	}
}

func membersOnly(r *http.Request) policy.Verdict {
	if claims, ok := users.Claims(r); !ok || claims.Subject != "alice" {
		return policy.Close(codes.Forbidden, "not_a_member")
	}
	return policy.Allow()
}

func echo(*http.Request) (upgrade.Session, error) {
	return func(_ context.Context, c *upgrade.Conn) error {
		for {
			message, op, err := wsutil.ReadClientData(c.NetConn())
			if err != nil {
				return err
			}
			if err := wsutil.WriteServerMessage(c.NetConn(), op, message); err != nil {
				return err
			}
		}
	}, nil
}

func newUpgrader() *upgrade.Upgrader {
	return &upgrade.Upgrader{Subprotocols: []string{"chat.v1", "bearer"}, LingerTimeout: time.Hour}
}

func TestEveryPolicyInEveryMount(t *testing.T) {
	for _, mount := range mounts {
		for _, refusal := range refusals {
			for _, protocol := range []string{"WebSocket", "WebSocket over HTTP/2", "HTTP"} {
				t.Run(mount.name+"/"+refusal.name+"/"+protocol, func(t *testing.T) {
					t.Parallel()
					up := newUpgrader()
					h := mount.make(refusal.links(middleware.For(up)), up.Handler(echo))
					if protocol == "WebSocket over HTTP/2" {
						srv := upgradetest.ServeHTTP2(t, h)
						for range refusal.before {
							get(t, srv, mount.path, refusal.header)
						}
						c := dialHTTP2(t, srv, mount.path, refusal.header)
						if strings.Contains(mount.name, "Get") || strings.Contains(mount.name, "ServeMux") {
							if c.resp.StatusCode != http.StatusMethodNotAllowed {
								t.Errorf("got %s, want 405", c.resp.Status)
							}
							return
						}
						checkWebSocket(t, c, refusal.want)
						return
					}
					srv := serve(t, h)
					for range refusal.before {
						get(t, srv, mount.path, refusal.header)
					}
					if protocol == "HTTP" {
						checkHTTP(t, get(t, srv, mount.path, refusal.header), refusal.want)
						return
					}
					checkWebSocket(t, dial(t, srv, mount.path, refusal.header), refusal.want)
				})
			}
		}
	}
}

func checkHTTP(t *testing.T, resp *http.Response, want outcome) {
	t.Helper()
	var problem struct {
		Status int
		Title  string
		Detail string
		Code   int
		Slug   string
		Action string
	}
	if err := json.NewDecoder(resp.Body).Decode(&problem); err != nil {
		t.Fatalf("status %d with a body that is no JSON: %v", resp.StatusCode, err)
	}
	if resp.StatusCode != want.status || problem.Status != want.status || problem.Slug != want.slug {
		t.Errorf("got %d %+v, want %d %s", resp.StatusCode, problem, want.status, want.slug)
	}
	if got := resp.Header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("Content-Type %q", got)
	}
	if got := resp.Header.Get("Retry-After"); got != want.retryAfter {
		t.Errorf("Retry-After %q, want %q", got, want.retryAfter)
	}
	if want.status == 401 && !strings.HasPrefix(resp.Header.Get("WWW-Authenticate"), "Bearer") {
		t.Errorf("401 without a Bearer challenge: %q", resp.Header.Get("WWW-Authenticate"))
	}
	if problem.Title == "" && want.status != 402 || problem.Detail == "" || problem.Action == "" {
		t.Errorf("incomplete problem %+v", problem)
	}
}

func checkWebSocket(t *testing.T, c *client, want outcome) {
	t.Helper()
	if want.hidden {
		checkHTTP(t, c.resp, want)
		return
	}
	if c.resp.StatusCode != c.accepted {
		t.Fatalf("got %s, want %d", c.resp.Status, c.accepted)
	}
	if want.admitted {
		if got := c.echo("hello"); got != "hello" {
			t.Errorf("echo %q", got)
		}
		return
	}
	code, reason := c.readClose()
	if code != want.code || reason != want.reason {
		t.Errorf("closed with %d %q, want %d %q", code, reason, want.code, want.reason)
	}
	c.finish(code)
}

// The rules again, by every order of the links: whoever is denied never reaches the endpoint, and whose Origin was not
// vetted never gets a 101.
func TestOrdersPermuted(t *testing.T) {
	for order := range permutations(4) {
		t.Run(fmt.Sprint(order), func(t *testing.T) {
			t.Parallel()
			up := newUpgrader()
			ws := middleware.For(up)
			links := middlewares{
				ws.Origin("https://app.example.com"),
				ws.Use(users),
				ws.Use(policy.Named("members", policy.Func(membersOnly))),
				ws.Shadow(policy.Func(func(*http.Request) (v policy.Verdict) { return v })),
			}
			through := false
			r := chi.NewRouter()
			// chi's router stands between all links: what cannot be seen when mounting must hold when serving.
			var next http.Handler = up.Handler(func(*http.Request) (upgrade.Session, error) {
				through = true
				return nil, errors.New("the endpoint was reached")
			})
			for _, i := range slices.Backward(order) {
				sub := chi.NewRouter()
				sub.With(links[i]).Handle("/*", next)
				next = sub
			}
			r.Mount("/", next)
			srv := serve(t, r)

			for _, token := range []string{"", bearerToken("alice", -time.Hour), bearerToken("mallory", time.Hour), bearerToken("alice", time.Hour)} {
				c := dial(t, srv, "/ws", http.Header{"Origin": {"https://evil.test"}, "Authorization": {"Bearer " + token}})
				if c.resp.StatusCode == 101 {
					t.Errorf("a foreign origin with token %.10q was upgraded", token)
				}
			}
			c := dial(t, srv, "/ws", http.Header{"Origin": {"https://app.example.com"}, "Authorization": {"Bearer " + bearerToken("mallory", time.Hour)}})
			if got := c.resp.StatusCode; got != 101 && got != 403 {
				t.Errorf("got %s, want 403 or a close frame", c.resp.Status)
			}
			if through {
				t.Error("a denied request reached the endpoint")
			}
		})
	}
}

func TestForgedUpgradeOnAnOrdinaryRoute(t *testing.T) {
	ws := middleware.For(newUpgrader())
	reached := false
	r := chi.NewRouter()
	r.Use(ws.Origin("https://app.example.com"), ws.Use(users))
	r.Get("/api", func(http.ResponseWriter, *http.Request) { reached = true })
	srv := serve(t, r)

	for name, forged := range map[string]http.Header{
		"no key":       {"Upgrade": {"websocket"}, "Connection": {"Upgrade"}, "Sec-Websocket-Version": {"13"}},
		"Upgrade only": {"Upgrade": {"websocket"}},
		"with a body":  {"Upgrade": {"websocket"}, "Connection": {"Upgrade"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {key}, "Content-Length": {"5"}},
	} {
		if resp := raw(t, srv, "/api", forged).resp; resp.StatusCode != 401 {
			t.Errorf("%s: got %s, want the denial's own status", name, resp.Status)
		}
	}
	// A whole handshake is one, whatever route it is sent to; and it is denied.
	c := dial(t, srv, "/api", nil)
	if code, _ := c.readClose(); code != 4401 {
		t.Errorf("closed with %d, want 4401", code)
	}
	if reached {
		t.Error("a denied request reached the route")
	}
}

// An Origin that was rewritten after it was vetted has not been vetted; nor has one that another Upgrader's link let pass.
func TestOnlyTheVettedValueCounts(t *testing.T) {
	rewrite := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.Header.Set("Origin", "https://evil.test")
			next.ServeHTTP(w, r)
		})
	}
	mine, other := newUpgrader(), newUpgrader()
	for name, links := range map[string]middlewares{
		"rewritten":        {middleware.For(mine).Origin("https://app.example.com"), rewrite},
		"other Upgrader's": {middleware.For(other).Origin("https://app.example.com")},
	} {
		r := chi.NewRouter()
		r.With(links...).Handle("/ws", mine.Handler(echo))
		r.With(append(links, middleware.For(mine).Use(users))...).Handle("/denied", mine.Handler(echo))
		over1, over2 := serve(t, r), upgradetest.ServeHTTP2(t, r)
		for path, want := range map[string]int{"/ws": 403, "/denied": 401} {
			origin := http.Header{"Origin": {"https://app.example.com"}}
			for _, c := range []*client{dial(t, over1, path, origin), dialHTTP2(t, over2, path, origin)} {
				if c.resp.StatusCode != want {
					t.Errorf("%s%s: got %s %s, want %d", name, path, c.resp.Proto, c.resp.Status, want)
				}
			}
		}
	}
}

// stricter embeds an endpoint and checks more: nothing in the chain may find its way around it.
type stricter struct{ http.Handler }

func (s stricter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	http.Error(w, "closed on Sundays", http.StatusTeapot)
}

func TestEmbeddingDoesNotBypass(t *testing.T) {
	up := newUpgrader()
	r := chi.NewRouter()
	r.With(everything(middleware.For(up))...).Handle("/ws", stricter{up.Handler(echo)})
	c := dial(t, serve(t, r), "/ws", http.Header{"Authorization": {"Bearer " + bearerToken("alice", time.Hour)}})
	if c.resp.StatusCode != http.StatusTeapot {
		t.Errorf("got %s: the embedding type was passed by", c.resp.Status)
	}
}

// The claims, the route and the request are there when the session is made; nothing of them is needed later.
func TestHandlerSeesClaimsAndRoute(t *testing.T) {
	up := newUpgrader()
	r := chi.NewRouter()
	var stolen *http.Request
	r.With(everything(middleware.For(up))...).Handle("/ws/{room}", up.Handler(func(r *http.Request) (upgrade.Session, error) {
		claims, _ := users.Claims(r)
		greeting := claims.Subject + " in " + chi.URLParam(r, "room")
		stolen = r
		return func(_ context.Context, c *upgrade.Conn) error {
			return wsutil.WriteServerText(c.NetConn(), []byte(greeting+chi.URLParam(stolen, "room")))
		}, nil
	}))
	c := dial(t, serve(t, r), "/ws/lobby", http.Header{"Sec-Websocket-Protocol": {"bearer, " + bearerToken("alice", time.Hour)}})
	if got := c.resp.Header.Values("Sec-WebSocket-Protocol"); !slices.Equal(got, []string{"bearer"}) {
		t.Errorf("subprotocol %q, want the marker alone", got)
	}
	if got := c.read(); got != "alice in lobby" {
		t.Errorf("got %q", got)
	}
	if code, _ := c.readClose(); code != 1000 {
		t.Errorf("closed with %d, want 1000", code)
	}
}

// The import table of the design: who may import whom.
func TestImports(t *testing.T) {
	const root = "github.com/wsverdict/wsverdict/"
	allowed := map[string][]string{
		"codes":  {},
		"policy": {root + "codes"},
		"upgrade": {root + "codes", root + "policy", "github.com/gobwas/ws", root + "upgrade/internal/frame", root + "upgrade/internal/handshake",
			root + "upgrade/internal/origin", root + "upgrade/internal/transport", root + "upgrade/internal/wheel"},
		"upgrade/internal/frame":     {"github.com/gobwas/ws"}, // pure: values in and out
		"upgrade/internal/handshake": {},
		"upgrade/internal/origin":    {},
		"upgrade/internal/transport": {},
		"upgrade/internal/wheel":     {},
		"upgrade/internal/reference": {root + "upgrade/internal/origin"}, // for tests alone
		"upgrade/upgradetest":        {root + "upgrade", "github.com/gobwas/ws"},
		"middleware":                 {root + "codes", root + "policy", root + "upgrade", "github.com/golang-jwt/jwt/v5", "github.com/golang-jwt/jwt/v5/request", "github.com/go-chi/chi/v5/middleware"},
	}
	for room, may := range allowed {
		files := 0
		filepath.WalkDir(room, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() && path != room {
				return fs.SkipDir
			}
			if d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return nil
			}
			files++
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
			if err != nil {
				t.Error(err)
				return nil
			}
			for _, spec := range file.Imports {
				imported, _ := strconv.Unquote(spec.Path.Value)
				own := strings.HasPrefix(imported, root+room+"/internal/")
				if strings.Contains(strings.Split(imported, "/")[0], ".") && !own && !slices.Contains(may, imported) {
					t.Errorf("%s imports %s", path, imported)
				}
			}
			return nil
		})
		if files == 0 {
			t.Errorf("no files in %s", room)
		}
	}
}

// What the threat model says that a test holds, a test of that name does, in that package.
func TestThreatModelNamesTests(t *testing.T) {
	text, err := os.ReadFile("docs/threat-model.md")
	if err != nil {
		t.Fatal(err)
	}
	const internal = "upgrade/internal/"
	rooms := map[string]string{"chain": ".", "origin": internal + "origin", "handshake": internal + "handshake"}
	tests := map[string]map[string]bool{} // by directory
	word := regexp.MustCompile("(?:([a-z0-9/]+) )?`((?:Test|Fuzz)[[:alnum:]]+)`")
	named := 0
	for line := range strings.Lines(string(text)) {
		dir := ""
		for _, found := range word.FindAllStringSubmatch(line, -1) {
			if found[1] != "" {
				dir = cmp.Or(rooms[found[1]], found[1])
			}
			if tests[dir] == nil {
				tests[dir] = testsIn(t, dir)
			}
			if !tests[dir][found[2]] {
				t.Errorf("%s has no %s", cmp.Or(dir, "no package"), found[2])
			}
			named++
		}
	}
	if named < 50 {
		t.Errorf("found %d names of tests: has the table another form?", named)
	}
}

// testsIn returns the names of the functions in a directory's test files.
func testsIn(t *testing.T, dir string) map[string]bool {
	names := map[string]bool{}
	files, _ := filepath.Glob(filepath.Join(dir, "*_test.go"))
	for _, path := range files {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil {
				names[f.Name.Name] = true
			}
		}
	}
	return names
}

// ---- the client: raw sockets, gobwas frames ----

const key = "dGhlIHNhbXBsZSBub25jZQ=="

func serve(t *testing.T, h http.Handler) *httptest.Server {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv
}

func get(t *testing.T, srv *httptest.Server, path string, header http.Header) *http.Response {
	t.Helper()
	req, _ := http.NewRequest("GET", srv.URL+path, nil)
	for name, values := range header {
		req.Header[name] = values
	}
	resp, err := srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}

// A client has been answered.
type client struct {
	*upgradetest.Client
	t        *testing.T
	resp     *http.Response
	accepted int // the status of an acceptance
}

// dial sends a valid handshake with further fields.
func dial(t *testing.T, srv *httptest.Server, path string, header http.Header) *client {
	t.Helper()
	all := upgradetest.Header()
	maps.Copy(all, header)
	return raw(t, srv, path, all)
}

func raw(t *testing.T, srv *httptest.Server, path string, header http.Header) *client {
	t.Helper()
	c := upgradetest.Handshake(t, srv.Listener.Addr().String(), path, header)
	return &client{c, t, c.Response, http.StatusSwitchingProtocols}
}

func dialHTTP2(t *testing.T, srv *httptest.Server, path string, header http.Header) *client {
	t.Helper()
	all := upgradetest.Header()
	maps.Copy(all, header)
	c := upgradetest.HandshakeHTTP2(t, srv, path, all)
	return &client{c, t, c.Response, http.StatusOK}
}

func (c *client) read() string {
	c.t.Helper()
	return string(c.Frame().Payload)
}

func (c *client) echo(text string) string {
	c.t.Helper()
	c.SendText(text)
	return c.read()
}

func (c *client) readClose() (uint16, string) {
	c.t.Helper()
	return c.ReadClose()
}

// finish checks that the server waits for the client's close frame, and then ends the stream without a reset.
func (c *client) finish(code uint16) {
	c.t.Helper()
	c.SendText(strings.Repeat("x", 16<<10))
	c.Send(ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusCode(code), "")))
	c.WantEOF()
}

func permutations(n int) func(yield func([]int) bool) {
	return func(yield func([]int) bool) {
		var extend func(prefix []int) bool
		extend = func(prefix []int) bool {
			if len(prefix) == n {
				return yield(slices.Clone(prefix))
			}
			for i := range n {
				if !slices.Contains(prefix, i) && !extend(append(prefix, i)) {
					return false
				}
			}
			return true
		}
		extend(nil)
	}
}
