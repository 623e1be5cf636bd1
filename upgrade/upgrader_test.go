package upgrade_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

func TestMistakesAreReportedTogether(t *testing.T) {
	mistaken := func() *upgrade.Upgrader {
		return &upgrade.Upgrader{
			Subprotocols:  []string{"ok", "a b", "", "ok"},
			Hosts:         []string{"example.com", "https://example.com", "*.example.com", "example.com:0"},
			WriteTimeout:  -1,
			ExpiryNotice:  -1,
			LingerTimeout: -time.Second,
			LingerBytes:   -1,
		}
	}
	for name, mount := range map[string]func(*upgrade.Upgrader){
		"Use":     func(up *upgrade.Upgrader) { up.Use(always(policy.Allow())) },
		"Shadow":  func(up *upgrade.Upgrader) { up.Shadow(always(policy.Allow())) },
		"Origin":  func(up *upgrade.Upgrader) { up.Origin(only(good)) },
		"Handler": func(up *upgrade.Upgrader) { up.Handler(run(idle)) },
	} {
		up := mistaken()
		text := panicOf(t, func() { mount(up) })
		for _, want := range []string{
			`"a b"`, `""`, `"ok"`, `"https://example.com"`, `"*.example.com"`, `"example.com:0"`, "ExpiryNotice", "WriteTimeout", "LingerTimeout", "LingerBytes",
		} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: the panic does not name %s:\n%s", name, want, text)
			}
		}
		if lines := strings.Count(text, "\n"); lines != 10 {
			t.Errorf("%s: %d mistakes, want 10:\n%s", name, lines, text)
		}
		panicOf(t, func() { mount(up) }) // a recovered panic mends nothing
	}
}

type badMount struct{}

func (badMount) Judge(*http.Request) policy.Verdict { return policy.Allow() }
func (badMount) CheckMount(m policy.Mounting) error {
	if len(m.Subprotocols) == 1 && m.Subprotocols[0] == "bearer" {
		return nil
	}
	return errSecret
}

func TestBadMounting(t *testing.T) {
	up := &upgrade.Upgrader{Subprotocols: []string{"bearer"}}
	bare := &upgrade.Upgrader{}
	never := policy.Func(nil)
	up.Use(policy.Named("p", badMount{}))
	for name, f := range map[string]func(){
		"nil policy":              func() { up.Use(nil) },
		"nil Func":                func() { up.Use(never) },
		"nil Shadow":              func() { up.Shadow(nil) },
		"nil inside":              func() { up.Use(policy.Any(always(expired), nil)) },
		"Any of nothing":          func() { up.Use(policy.Any()) },
		"nil condition":           func() { up.Use(policy.When(nil, always(expired))) },
		"no name":                 func() { up.Use(policy.Named("", always(expired))) },
		"mount check":             func() { bare.Use(badMount{}) },
		"mount check of a shadow": func() { bare.Shadow(policy.Named("p", badMount{})) },
		"nil function":            func() { up.Handler(nil) },
		"nil handler behind":      func() { up.Use(always(expired))(nil) },
	} {
		t.Run(name, func(t *testing.T) {
			if text := panicOf(t, f); !strings.HasPrefix(text, "upgrade: ") {
				t.Errorf("got panic %s", text)
			}
		})
	}
}

// The fields are read once; a caller's slice may change later.
func TestFieldsAreReadOnce(t *testing.T) {
	subprotocols := []string{"bearer"}
	up := &upgrade.Upgrader{Subprotocols: subprotocols, MaxLingering: -1}
	h := up.Use(always(expired))(forbidden(t))
	subprotocols[0] = "other"
	up.MaxLingering, up.Hosts, up.LingerBytes = 1, []string{"https://mistake"}, -1
	addr := newServer(t, wrap(h, up.Use(always(policy.Allow()))))
	_, res := handshake(t, addr, "+Sec-WebSocket-Protocol: bearer")
	wantStatus(t, res, 401)
	_, res = handshake(t, newServer(t, up.Handler(run(idle))), "+Sec-WebSocket-Protocol: bearer")
	wantStatus(t, res, 101)
}
