package fleet_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/wsverdict/wsverdict/upgrade/upgradetest"
)

// A peer is a client's connection.
type peer struct {
	net.Conn
	r io.Reader
}

// dial connects as that user.
func dial(t testing.TB, addr, user string) *peer {
	t.Helper()
	return dialURL(t, "ws://"+addr+"/ws?user="+url.QueryEscape(user))
}

func dialURL(t testing.TB, url string) *peer {
	t.Helper()
	d := ws.Dialer{Timeout: patience}
	conn, buffered, _, err := d.Dial(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	p := &peer{conn, conn}
	if buffered != nil {
		p.r = buffered
	}
	return p
}

// admitted says whether that user gets a connection, which then stays.
func admitted(t testing.TB, addr, user string) bool {
	t.Helper()
	p := dial(t, addr, user)
	if !p.alive() {
		p.Close()
		return false
	}
	return true
}

// closed waits for the close frame and returns it: "4403 banned;do=stop".
func (p *peer) closed() string {
	for {
		f, err := upgradetest.ReadFrame(p.r)
		switch {
		case err != nil:
			return err.Error()
		case f.Header.OpCode == ws.OpPing:
			ws.WriteFrame(p, ws.MaskFrame(ws.NewPongFrame(f.Payload)))
		case f.Header.OpCode == ws.OpClose:
			code, reason := ws.ParseCloseFrameData(f.Payload)
			return fmt.Sprint(code, " ", reason)
		}
	}
}

// wantClosed fails unless the connection ends so.
func (p *peer) wantClosed(t testing.TB, want string) {
	t.Helper()
	if got := p.closed(); !strings.HasPrefix(got, want) {
		t.Errorf("closed with %q, want %q", got, want)
	}
}

// alive says whether the server answers a ping; if it closed, it does not.
func (p *peer) alive() bool {
	if err := ws.WriteFrame(p, ws.MaskFrame(ws.NewPingFrame([]byte("?")))); err != nil {
		return false
	}
	for {
		f, err := upgradetest.ReadFrame(p.r)
		if err != nil || f.Header.OpCode == ws.OpClose {
			return false
		}
		if f.Header.OpCode == ws.OpPong {
			return true
		}
	}
}
