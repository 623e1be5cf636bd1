// Package http2 runs the code of docs/http2.md.
package http2

import (
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
	"github.com/wsverdict/wsverdict/upgrade/upgradetest"
)

func TestMain(m *testing.M) { os.Exit(upgradetest.HTTP2(m.Run)) }

var notMember = policy.Func(func(*http.Request) policy.Verdict { return policy.Close(codes.Forbidden, "not_a_member") })

func TestTLS(t *testing.T) {
	up := &upgrade.Upgrader{}
	s := httptest.NewUnstartedServer(up.Use(notMember)(up.Handler(upgradetest.Run(upgradetest.Echo))))
	srv := s.Config
	srv.HTTP2 = &http.HTTP2Config{
		MaxReceiveBufferPerStream:     64 << 10,
		MaxReceiveBufferPerConnection: 1 << 20,
		SendPingTimeout:               15 * time.Second, // finds connections that are dead, and
		WriteByteTimeout:              10 * time.Second, // those that take nothing: by default they are kept
	}
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)

	c := upgradetest.DialHTTP2(t, s, "/ws")
	c.WantClose(4403, "not_a_member;do=stop")
	c.Bye()
	upgradetest.WantEmpty(t, up)
}

// Without TLS the server speaks both: a page's requests by HTTP/2, and WebSockets by HTTP/1.1 as before.
func TestWithoutTLS(t *testing.T) {
	up := &upgrade.Upgrader{}
	s := httptest.NewUnstartedServer(up.Use(notMember)(up.Handler(upgradetest.Run(upgradetest.Echo))))
	srv := s.Config
	srv.Protocols = new(http.Protocols)
	srv.Protocols.SetHTTP1(true)
	srv.Protocols.SetUnencryptedHTTP2(true) // behind a proxy that speaks it; browsers never do without TLS
	s.Start()
	t.Cleanup(s.Close)

	c := upgradetest.Dial(t, s.Listener.Addr().String(), "/ws")
	c.WantClose(4403, "not_a_member;do=stop")
	c.Bye()
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	res, err := (&http.Client{Transport: transport}).Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer transport.CloseIdleConnections()
	defer res.Body.Close()
	if res.ProtoMajor != 2 || res.StatusCode != 403 {
		t.Errorf("got %s %s", res.Proto, res.Status)
	}
}
