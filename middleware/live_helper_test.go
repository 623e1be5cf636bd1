package middleware_test

import (
	"net/http"
	"testing"

	"github.com/gobwas/ws"

	"github.com/wsverdict/wsverdict/upgrade/upgradetest"
)

// Short names for what package upgradetest has.
var (
	live       = upgradetest.Serve
	run        = upgradetest.Run
	echo       = upgradetest.Echo
	eventually = upgradetest.Eventually
	wantEmpty  = upgradetest.WantEmpty
)

// patience ends a test that would hang; nothing that works comes near it.
const patience = upgradetest.Patience

// A peer is a client whose handshake was answered with 101.
type peer struct {
	*upgradetest.Client
	t testing.TB
}

// dial connects with header fields, given in pairs.
func dial(t testing.TB, addr string, fields ...string) *peer {
	t.Helper()
	return &peer{upgradetest.Dial(t, addr, "/ws", fields...), t}
}

// dialInMemory is dial in a bubble of testing/synctest: no time passes there but what all wait for.
func dialInMemory(t testing.TB, h http.Handler, fields ...string) *peer {
	t.Helper()
	return &peer{upgradetest.Open(t, h, "/ws", fields...), t}
}

func (p *peer) send(f ws.Frame) {
	p.t.Helper()
	p.Send(f)
}

func (p *peer) frame() ws.Frame {
	p.t.Helper()
	return p.Frame()
}

func (p *peer) say(text, want string) {
	p.t.Helper()
	p.Say(text, want)
}

// closed reads a close frame, answers it and wants the end.
func (p *peer) closed() (code uint16, reason string) {
	p.t.Helper()
	code, reason = p.ReadClose()
	p.Bye()
	return code, reason
}

func (p *peer) wantClose(code uint16, reason string) {
	p.t.Helper()
	p.WantClose(code, reason)
	p.Bye()
}

func (p *peer) leave() {
	p.t.Helper()
	p.Leave(1000)
}

func textFrame(text string) ws.Frame { return ws.NewTextFrame([]byte(text)) }
