package upgrade_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

func TestSmoke(t *testing.T) {
	up := &upgrade.Upgrader{Observer: upgrade.ObserverFunc(func(e upgrade.Event) { t.Log(e.Policy, e.Outcome, e.Why, e.Status, e.CloseCode, e.Err, e.Verdict) })}
	deny := up.Use(policy.Func(func(r *http.Request) policy.Verdict {
		if r.URL.Path == "/deny" {
			return policy.Close(codes.Forbidden, "not_a_member")
		}
		return policy.Allow()
	}))
	srv := httptest.NewServer(deny(up.Handler(func(r *http.Request) (upgrade.Session, error) {
		return func(ctx context.Context, c *upgrade.Conn) error {
			b, op, err := wsutil.ReadClientData(c.NetConn())
			if err != nil {
				return err
			}
			wsutil.WriteServerMessage(c.NetConn(), op, b)
			return policy.Close(codes.Gone, "room_closed")
		}, nil
	})))
	defer srv.Close()
	for _, path := range []string{"/deny", "/ok"} {
		conn, _, _, err := ws.Dial(context.Background(), "ws"+srv.URL[4:]+path)
		if err != nil {
			t.Fatal(err)
		}
		wsutil.WriteClientText(conn, []byte("hi"))
		for {
			b, _, err := wsutil.ReadServerData(conn)
			t.Log(string(b), err)
			if err != nil {
				break
			}
		}
	}
	resp, _ := http.Get(srv.URL + "/deny")
	t.Log(resp.Status, resp.Header)
	resp.Write(testWriter{t})
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) { w.t.Log(string(p)); return len(p), nil }
