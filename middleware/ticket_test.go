package middleware_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/golang-jwt/jwt/v5"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/middleware"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
	"github.com/wsverdict/wsverdict/upgrade/upgradetest"
)

const page = "https://app.example.com"

// bad is what every ticket that is not good is told.
const bad = "ticket_invalid;do=refresh"

// A box is a server with a mint behind a JWT, and endpoints that redeem.
type box struct {
	up      *upgrade.Upgrader
	users   *middleware.JWT[appClaims]
	tickets *middleware.Tickets
	h       http.Handler
}

// newBox serves the session at /ws and /ws/{room}, and a mint at /ws/ticket and /ws/{room}/ticket.
func newBox(t *testing.T, session upgrade.Session, edit ...func(*middleware.TicketsConfig)) *box {
	t.Helper()
	b := &box{up: &upgrade.Upgrader{Subprotocols: []string{"chat", "ticket"}}}
	b.users = middleware.MustJWT(testConfig(func(cfg *middleware.JWTConfig[appClaims]) {
		cfg.Tag, cfg.Leeway = "user", time.Millisecond
		cfg.Revoked = func(_ context.Context, c appClaims) (bool, error) { return c.Role == "banned", nil }
	}))
	cfg := middleware.TicketsConfig{Name: "chat", Carry: []middleware.Carrier{b.users}}
	for _, f := range edit {
		f(&cfg)
	}
	b.tickets = middleware.MustTickets(cfg)
	tagger := policy.Func(func(*http.Request) policy.Verdict { return policy.Allow().WithTag("plan", "free") })
	ws, r := middleware.For(b.up), chi.NewRouter()
	origin := ws.Origin(page, "https://other.example.com")
	mint := r.With(origin, ws.Use(b.users), ws.Use(tagger))
	for _, path := range []string{"/ws", "/ws/{room}"} {
		mint.Handle(path+"/ticket", b.tickets.Handler(b.up))
		r.With(origin, ws.Use(b.tickets)).Handle(path, b.up.Handler(run(session)))
	}
	b.h = r
	return b
}

// post asks for a ticket.
func (b *box) post(t testing.TB, path, origin, token string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest("POST", path, nil)
	r.Header.Set("Authorization", "Bearer "+token)
	if origin != "" {
		r.Header.Set("Origin", origin)
	}
	w := httptest.NewRecorder()
	b.h.ServeHTTP(w, r)
	return w
}

// ticket gets one.
func (b *box) ticket(t testing.TB, path, origin string) string {
	t.Helper()
	return b.ticketFor(t, path, origin, goodClaims())
}

func (b *box) ticketFor(t testing.TB, path, origin string, claims appClaims) string {
	t.Helper()
	w := b.post(t, path, origin, sign(t, testKey, claims))
	var answer struct {
		Ticket    string
		ExpiresIn int `json:"expires_in"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != 200 || answer.Ticket == "" || answer.ExpiresIn != 15 {
		t.Fatalf("mint: %d %s", w.Code, w.Body)
	}
	return answer.Ticket
}

// redeem judges a handshake as the policy sees it.
func (b *box) redeem(target, origin string) policy.Verdict {
	r := httptest.NewRequest("GET", target, nil)
	if origin != "" {
		r.Header.Set("Origin", origin)
	}
	return b.tickets.Judge(r)
}

func connectTo(t testing.TB, addr, target string, fields ...string) *peer {
	t.Helper()
	c := upgradetest.Handshake(t, addr, target, upgradetest.Header(fields...))
	if c.Response.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("got %s", c.Response.Status)
	}
	return &peer{c, t}
}

// open connects in memory.
func open(t testing.TB, h http.Handler, target string) *peer {
	t.Helper()
	return &peer{upgradetest.Open(t, h, target), t}
}

func TestTicketsMistakes(t *testing.T) {
	_, err := middleware.NewTickets(middleware.TicketsConfig{Life: time.Hour, Timeout: -1, Name: "\n",
		From: middleware.TokenSources{nil}, Carry: []middleware.Carrier{nil}})
	if n := mistakes(t, err); n != 5 {
		t.Errorf("%d mistakes: %v", n, err)
	}
	_, err = middleware.NewTickets(middleware.TicketsConfig{Store: middleware.NewMemoryTickets(0)})
	if n := mistakes(t, err); n != 1 || !strings.Contains(err.Error(), "Name is missing") {
		t.Errorf("a Store without a Name: %v", err)
	}
	if _, err := middleware.NewTickets(middleware.TicketsConfig{Life: time.Millisecond}); err == nil {
		t.Error("a ticket of a millisecond")
	}
	panicError(t, func() { middleware.CarryValue[int](nil) })
	tickets := middleware.MustTickets(middleware.TicketsConfig{From: middleware.TokenSources{middleware.Subprotocol("ticket")}})
	if err := tickets.CheckMount(policy.Mounting{}); err == nil {
		t.Error("a marker that is not listed was mounted")
	}
}

func TestTicketMint(t *testing.T) {
	b := newBox(t, echo)
	w := b.post(t, "/ws/ticket", page, sign(t, testKey, goodClaims()))
	if got := w.Header().Get("Cache-Control"); w.Code != 200 || got != "no-store" || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("got %d %v", w.Code, w.Header())
	}
	if w := b.post(t, "/ws/ticket", page, "x.y.z"); w.Code != 401 {
		t.Errorf("behind a chain that refuses: %d", w.Code)
	}
	r := httptest.NewRequest("GET", "/ws/ticket", nil)
	r.Header.Set("Authorization", "Bearer "+sign(t, testKey, goodClaims()))
	got := httptest.NewRecorder()
	b.h.ServeHTTP(got, r)
	if got.Code != 405 || got.Header().Get("Allow") != "POST" {
		t.Errorf("GET: %d %v", got.Code, got.Header())
	}
	big := goodClaims(func(c *appClaims) { c.Role = strings.Repeat("x", middleware.MaxTicket) })
	ctx := b.users.WithClaims(httptest.NewRequest("POST", "/", nil), big)
	if _, err := b.tickets.Mint(ctx); !errors.Is(err, policy.Close(codes.InternalServerError, "ticket_not_minted")) {
		t.Errorf("too large: %v", err)
	}
}

// Behind a ticket everything is as it is behind the policies that the mint stands behind.
func TestTicketBringsWhatTheMintKnew(t *testing.T) { synctest.Test(t, testTicketBrings) }

func testTicketBrings(t *testing.T) {
	type found struct {
		claims  appClaims
		subject string
		tags    []policy.Tag
	}
	b := newBox(t, echo)
	seen := make(chan found, 1)
	inspect := func(r *http.Request) (upgrade.Session, error) {
		claims, _ := b.users.Claims(r)
		subject, _ := policy.Subject(r)
		return func(ctx context.Context, c *upgrade.Conn) error {
			seen <- found{claims, subject, c.Tags()}
			return renewing(b.users)(ctx, c)
		}, nil
	}
	ws := middleware.For(b.up)
	r := chi.NewRouter()
	r.Handle("/*", b.h)
	r.With(ws.Use(b.tickets)).Handle("/inspect", b.up.Handler(inspect))

	p := open(t, r, "/inspect?ticket="+b.ticket(t, "/ws/ticket", ""))
	got := <-seen
	slices.SortFunc(got.tags, func(a, b policy.Tag) int { return strings.Compare(a.Key, b.Key) })
	if got.claims.Role != "admin" || got.claims.Issuer != "https://id.example.com" || got.subject != "alice" ||
		!slices.Equal(got.tags, []policy.Tag{{Key: "plan", Value: "free"}, {Key: "user", Value: "alice"}}) {
		t.Errorf("got %+v", got)
	}
	p.say(sign(t, testKey, goodClaims(func(c *appClaims) { c.Role = "long" })), "renewed as long")
	p.leave()

	claims := goodClaims(func(c *appClaims) { c.ExpiresAt = jwt.NewNumericDate(time.Now().Add(10 * time.Minute)) })
	p = open(t, r, "/inspect?ticket="+b.ticketFor(t, "/ws/ticket", "", claims))
	<-seen
	p.wantClose(4401, "token_expired;do=refresh")
	wantEmpty(t, b.up)
}

// What no handle carries is brought all the same: tags, the subject, and when the connection ends.
func TestTicketBringsWhatNobodyCarries(t *testing.T) {
	type planKey struct{}
	keys := newAPIKeys(t, func(c *middleware.APIKeysConfig[plan]) { c.Tag = "user" })
	tickets := middleware.MustTickets(middleware.TicketsConfig{Carry: []middleware.Carrier{
		middleware.MustJWT(testConfig()), keys, middleware.CarryValue[map[string]int](planKey{})}})
	up := &upgrade.Upgrader{}
	soon, late := time.Now().Add(time.Minute), time.Now().Add(time.Hour)
	own := policy.Func(func(*http.Request) policy.Verdict {
		return policy.Allow().WithValue(planKey{}, map[string]int{"seats": 3}).
			WithExpiry(policy.Expiry{At: late, Owner: 1}).
			WithExpiry(policy.Expiry{At: soon, Owner: 2, Tags: []policy.Tag{{Key: "own", Value: "1"}}})
	})
	w := httptest.NewRecorder()
	r := newRequest(t, "X-Api-Key", "good")
	r.Method = "POST"
	up.Use(keys)(up.Use(own)(tickets.Handler(up))).ServeHTTP(w, r)
	var answer struct{ Ticket string }
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		t.Fatal(w.Code, err)
	}
	var v policy.Verdict
	up.Use(policy.Func(func(r *http.Request) policy.Verdict { v = tickets.Judge(r); return v }))(
		http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if _, ok := keys.Value(r); !ok {
				t.Error("the API key's value did not travel")
			}
			if got, _ := r.Context().Value(planKey{}).(map[string]int); got["seats"] != 3 {
				t.Errorf("the own value: %v", got)
			}
		})).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/ws?ticket="+answer.Ticket, nil))
	if want := []policy.Tag{{Key: "user", Value: "pump-7"}, {Key: "tenant", Value: "acme"}, {Key: "own", Value: "1"}}; !slices.Equal(tagsOf(v), want) {
		t.Errorf("tags %v, want %v", tagsOf(v), want)
	}
	if got := slices.Collect(v.Expiries()); len(got) != 1 || !got[0].At.Equal(soon) {
		t.Errorf("expiries %v, want the earliest", got)
	}
	if v.Subject() != "pump-7" {
		t.Errorf("subject %q", v.Subject())
	}
}

// However many redeem a ticket at the same moment, over real sockets one of them gets in.
func TestTicketIsRedeemedOnce(t *testing.T) {
	b := newBox(t, echo)
	addr := live(t, b.h)
	target := "/ws?ticket=" + b.ticket(t, "/ws/ticket", page)
	var in, out atomic.Int64
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			p := connectTo(t, addr, target, "Origin", page, "Sec-WebSocket-Protocol", "chat")
			p.send(textFrame("in"))
			if f := p.frame(); string(f.Payload) == "in" {
				in.Add(1)
			} else if strings.Contains(string(f.Payload), bad) {
				out.Add(1)
			}
		})
	}
	wg.Wait()
	if in.Load() != 1 || out.Load() != 15 {
		t.Errorf("%d got in, %d were refused", in.Load(), out.Load())
	}
	// What a proxy's log has of it opens nothing.
	late := connectTo(t, addr, target, "Origin", page)
	late.wantClose(4401, bad)
}

// An attacker who has somebody's ticket is not its page, on its route, in its time. The attempt costs
// the owner a new one and tells the attacker nothing.
func TestTicketElsewhere(t *testing.T) {
	byRoom := func(c *middleware.TicketsConfig) {
		c.Scope = func(r *http.Request) string { return chi.URLParam(r, "room") }
	}
	redeemAt := func(b *box, target, origin string) string {
		r := httptest.NewRequest("GET", target, nil)
		if origin != "" {
			r.Header.Set("Origin", origin)
		}
		w := httptest.NewRecorder()
		b.h.ServeHTTP(w, r)
		if w.Code == http.StatusUpgradeRequired { // past the policies: it is no handshake
			return ""
		}
		var problem struct{ Slug, Action string }
		json.Unmarshal(w.Body.Bytes(), &problem)
		return problem.Slug + ";do=" + problem.Action
	}
	for _, tc := range []struct {
		name           string
		edit           func(*middleware.TicketsConfig)
		mint, by       string
		target, origin string
		want           string
	}{
		{name: "its page", mint: "/ws/ticket", by: page, target: "/ws", origin: page},
		{name: "another page", mint: "/ws/ticket", by: page, target: "/ws", origin: "https://other.example.com", want: bad},
		{name: "no page", mint: "/ws/ticket", by: page, target: "/ws", want: bad},
		{name: "of no page", mint: "/ws/ticket", target: "/ws", origin: page, want: bad},
		{name: "any page", edit: func(c *middleware.TicketsConfig) { c.AnyOrigin = true }, mint: "/ws/ticket", target: "/ws", origin: page},
		{name: "its room", edit: byRoom, mint: "/ws/1/ticket", by: page, target: "/ws/1", origin: page},
		{name: "another room", edit: byRoom, mint: "/ws/1/ticket", by: page, target: "/ws/2", origin: page, want: bad},
		{name: "no room", edit: byRoom, mint: "/ws/1/ticket", by: page, target: "/ws", origin: page, want: bad},
		{name: "any room", mint: "/ws/1/ticket", by: page, target: "/ws/2", origin: page},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBox(t, echo)
			if tc.edit != nil {
				b = newBox(t, echo, tc.edit)
			}
			secret := b.ticket(t, tc.mint, tc.by)
			if got := redeemAt(b, tc.target+"?ticket="+secret, tc.origin); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
			home := strings.TrimSuffix(tc.mint, "/ticket")
			if got := redeemAt(b, home+"?ticket="+secret, tc.by); got != bad {
				t.Errorf("at home, afterwards: %q", got)
			}
		})
	}
}

func TestTicketSources(t *testing.T) {
	b := newBox(t, echo, func(c *middleware.TicketsConfig) {
		c.From = middleware.TokenSources{middleware.Query("ticket"), middleware.Subprotocol("ticket"), middleware.Header("X-Ticket")}
	})
	addr := live(t, b.h)
	secret := func() string { return b.ticket(t, "/ws/ticket", page) }
	for _, fields := range [][]string{
		{"Sec-WebSocket-Protocol", "chat, ticket, " + secret()},
		{"X-Ticket", secret(), "Sec-WebSocket-Protocol", "chat"},
	} {
		p := connectTo(t, addr, "/ws", append(fields, "Origin", page)...)
		if got := p.Response.Header.Get("Sec-Websocket-Protocol"); got != "chat" {
			t.Errorf("subprotocol %q", got)
		}
		p.say("in", "in")
		p.leave()
	}
	none := b.redeem("/ws", page)
	checkVerdict(t, none, 401, "ticket_missing;do=refresh")
	if !none.IsMissing() || b.redeem("/ws?ticket=guess", page).IsMissing() {
		t.Error("missing is told apart from invalid")
	}
	checkVerdict(t, b.redeem("/ws?ticket="+secret()+"&ticket="+secret(), page), 401, bad)
}

// A ticket ends with its life, with the token that minted it, and with that token's revocation.
func TestTicketInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(t, echo)
		early, late := b.ticket(t, "/ws/ticket", ""), b.ticket(t, "/ws/ticket", "")
		claims := goodClaims(func(c *appClaims) { c.ExpiresAt = jwt.NewNumericDate(time.Now().Add(5 * time.Second)) })
		short := b.ticketFor(t, "/ws/ticket", "", claims)
		time.Sleep(15*time.Second - 1)
		if v := b.redeem("/ws?ticket="+early, ""); !v.Allowed() {
			t.Errorf("after 15 s less a nanosecond: %v", v)
		}
		checkVerdict(t, b.redeem("/ws?ticket="+short, ""), 401, "token_expired;do=refresh")
		time.Sleep(time.Nanosecond)
		checkVerdict(t, b.redeem("/ws?ticket="+late, ""), 401, bad)
	})
	b := newBox(t, echo)
	banned := goodClaims(func(c *appClaims) { c.Role = "banned" })
	secret, err := b.tickets.Mint(b.users.WithClaims(httptest.NewRequest("POST", "/", nil), banned)) // revoked since
	if err != nil {
		t.Fatal(err)
	}
	checkVerdict(t, b.redeem("/ws?ticket="+secret, ""), 401, "token_revoked;do=stop")
}

// A store that has something else under an id is not believed, and one that hangs is not waited for.
func TestTicketStores(t *testing.T) { synctest.Test(t, testTicketStores) }

func testTicketStores(t *testing.T) {
	store := &crookedStore{kept: map[string][]byte{}}
	b := newBox(t, echo, func(c *middleware.TicketsConfig) { c.Store, c.Timeout = store, 20*time.Millisecond })
	secret := b.ticket(t, "/ws/ticket", "")
	for id, data := range store.kept {
		if strings.Contains(id+string(data), secret) {
			t.Error("the store was told the secret")
		}
		if store.ttl != 15*time.Second {
			t.Errorf("ttl %v", store.ttl)
		}
		store.kept[id] = []byte("{")
	}
	checkVerdict(t, b.redeem("/ws?ticket="+secret, ""), 401, bad)

	asked := store.takes
	checkVerdict(t, b.redeem("/ws?ticket=short", ""), 401, bad)
	checkVerdict(t, b.redeem("/ws?ticket="+strings.Repeat("A", 1000), ""), 401, bad)
	if store.takes != asked {
		t.Error("the store was asked about what is no ticket")
	}

	store.err = errors.New("down")
	checkVerdict(t, b.redeem("/ws?ticket="+secret, ""), 503, "ticket_store_unavailable;do=backoff")
	if w := b.post(t, "/ws/ticket", "", sign(t, testKey, goodClaims())); w.Code != 503 {
		t.Errorf("mint: %d", w.Code)
	}
	store.err, store.hang = nil, make(chan struct{})
	defer close(store.hang)
	checkVerdict(t, b.redeem("/ws?ticket="+secret, ""), 503, "ticket_store_unavailable;do=backoff")
	if w := b.post(t, "/ws/ticket", "", sign(t, testKey, goodClaims())); w.Code != 503 {
		t.Errorf("mint: %d", w.Code)
	}
}

// A crookedStore never lets go of a ticket.
type crookedStore struct {
	kept  map[string][]byte
	ttl   time.Duration
	takes int
	err   error
	hang  chan struct{}
}

func (s *crookedStore) Put(_ context.Context, id string, ticket []byte, ttl time.Duration) error {
	if s.hang != nil {
		<-s.hang
		return nil
	}
	if s.err == nil {
		s.kept[id], s.ttl = ticket, ttl
	}
	return s.err
}

func (s *crookedStore) Take(_ context.Context, id string) ([]byte, bool, error) {
	if s.hang != nil {
		<-s.hang
		return nil, false, nil
	}
	s.takes++
	ticket, ok := s.kept[id]
	return ticket, ok, s.err
}

// One store can have the tickets of several, and a ticket brings nothing in the wrong place.
func TestTicketsThatShareAStore(t *testing.T) {
	store := middleware.NewMemoryTickets(0)
	b := newBox(t, echo, func(c *middleware.TicketsConfig) { c.Store = store })
	secret := func() string { return "/ws?ticket=" + b.ticket(t, "/ws/ticket", "") }
	type plainClaims struct{ jwt.RegisteredClaims }
	for _, tc := range []struct {
		what, name string
		carry      []middleware.Carrier
		good       bool
	}{
		{"the same", "chat", []middleware.Carrier{b.users}, true},
		{"another server's", "chat", []middleware.Carrier{middleware.MustJWT(testConfig())}, true},
		{"another Name", "other", []middleware.Carrier{b.users}, false},
		{"nothing carried", "chat", nil, false},
		{"tokens of another issuer", "chat", []middleware.Carrier{middleware.MustJWT(testConfig(func(cfg *middleware.JWTConfig[appClaims]) {
			cfg.Issuer = "https://admins.example.com"
		}))}, false},
		{"other claims", "chat", []middleware.Carrier{middleware.MustJWT(middleware.JWTConfig[plainClaims]{
			Keys: testConfig().Keys, Methods: testConfig().Methods, Issuer: testConfig().Issuer, Audience: testConfig().Audience,
		})}, false},
		{"API keys", "chat", []middleware.Carrier{newAPIKeys(t)}, false},
		{"a value", "chat", []middleware.Carrier{middleware.CarryValue[string]("key")}, false},
	} {
		tickets := middleware.MustTickets(middleware.TicketsConfig{Store: store, Name: tc.name, Carry: tc.carry})
		v := tickets.Judge(httptest.NewRequest("GET", secret(), nil))
		if v.Allowed() != tc.good || !tc.good && v.Slug() != "ticket_invalid" {
			t.Errorf("%s: %v", tc.what, v)
		}
	}
}

// A flood of mints fills the store and no more; nobody's ticket is lost by it, and room comes back.
func TestMemoryTicketsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := middleware.NewMemoryTickets(100)
		put := func(id string) error { return m.Put(t.Context(), id, []byte(id), 10*time.Second) }
		if err := put("first"); err != nil {
			t.Fatal(err)
		}
		full := 0
		for i := range 1000 {
			if errors.Is(put(fmt.Sprint(i)), middleware.ErrTicketsFull) {
				full++
			}
		}
		if full != 901 {
			t.Errorf("%d of 1000 were refused", full)
		}
		if data, ok, err := m.Take(t.Context(), "first"); string(data) != "first" || !ok || err != nil {
			t.Errorf("the first: %q, %v, %v", data, ok, err)
		}
		if _, ok, _ := m.Take(t.Context(), "first"); ok {
			t.Error("taken twice")
		}
		if err := put("in its place"); err != nil {
			t.Error(err)
		}
		time.Sleep(10 * time.Second)
		if _, ok, _ := m.Take(t.Context(), "5"); ok {
			t.Error("taken too late")
		}
		for i := range 100 {
			if err := put(fmt.Sprint("next", i)); err != nil {
				t.Fatal("no room came back:", err)
			}
		}
	})
}

// A mint behind a chain that admits by ticket as well gives none for a ticket.
func TestTicketByTicket(t *testing.T) {
	b := newBox(t, upgradetest.Echo)
	ws := middleware.For(b.up)
	mint := ws.Origin(page)(ws.Use(policy.Any(b.users, b.tickets))(b.tickets.Handler(b.up)))
	post := func(target, token string) (status int, body string) {
		r := httptest.NewRequest("POST", target, nil)
		r.Header.Set("Origin", page)
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		w := httptest.NewRecorder()
		mint.ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
	if status, body := post("/ticket?ticket="+b.ticket(t, "/ws/ticket", page), ""); status != 403 || !strings.Contains(body, `"ticket_by_ticket"`) {
		t.Errorf("by a ticket: %d %s", status, body)
	}
	if status, body := post("/ticket", sign(t, testKey, goodClaims())); status != 200 {
		t.Errorf("by a token: %d %s", status, body)
	}
}
