package bench

import (
	"bytes"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/gobwas/ws"
	gorilla "github.com/gorilla/websocket"
	"github.com/lxzan/gws"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

func sockets() Row {
	closing := ws.MustCompileFrame(ws.NewCloseFrame(ws.NewCloseFrameBody(closeCode, closeReason)))
	static := staticAnswer(nil)
	serve := func(f http.HandlerFunc) func(*testing.B) { return refusing(f, closing, clientClose) }
	var up upgrade.Upgrader
	verdict := policy.Close(codes.Unauthorized, "token_expired")
	link := up.Use(policy.Func(func(*http.Request) policy.Verdict { return verdict }))
	var gor gorilla.Upgrader
	gw := gws.NewUpgrader(gws.BuiltinEventHandler{}, nil)
	return Row{
		Name: "sockets", Title: "A refusal over real sockets (loopback)", Base: "bare hijack, static bytes",
		Floors: []string{"bare hijack, static bytes", "awaiting the client's close frame", "awaiting it on a goroutine of its own", "HTTP 401"},
		Note: "A client dials, sends a handshake, reads until the refusal is complete, answers a close frame with its own, closes; one after " +
			"the other, on net/http. coder, wsverdict and two of the bare cases wait for the client's close frame, so that the connection ends without a reset; the others " +
			"close at once, which browsers may see as 1006. So does the yardstick: what waiting costs by hand, on a goroutine of its own so that net/http's " +
			"buffers are free to go meanwhile, is the row to compare wsverdict's work with.",
		Targets: []Target{{Case: "wsverdict", Unit: "ns/op", Most: 1, Than: "awaiting it on a goroutine of its own"}},
		Cases: []Case{
			{"bare hijack, static bytes", serve(func(w http.ResponseWriter, r *http.Request) {
				conn, _, err := http.NewResponseController(w).Hijack()
				if err != nil {
					return
				}
				conn.Write(static)
				conn.Close()
			})},
			{"awaiting the client's close frame", serve(func(w http.ResponseWriter, r *http.Request) {
				conn, _, err := http.NewResponseController(w).Hijack()
				if err != nil {
					return
				}
				conn.SetDeadline(time.Now().Add(2 * time.Second))
				conn.Write(static)
				conn.Read(make([]byte, 128))
				conn.Close()
			})},
			{"awaiting it on a goroutine of its own", serve(func(w http.ResponseWriter, r *http.Request) {
				conn, _, err := http.NewResponseController(w).Hijack()
				if err != nil {
					return
				}
				conn.SetDeadline(time.Now().Add(2 * time.Second))
				conn.Write(static)
				go func() {
					conn.Read(make([]byte, 128))
					conn.Close()
				}()
			})},
			{"gobwas", serve(func(w http.ResponseWriter, r *http.Request) {
				conn, _, _, err := ws.UpgradeHTTP(r, w)
				if err != nil {
					return
				}
				conn.Write(closing)
				conn.Close()
			})},
			{"gorilla", serve(func(w http.ResponseWriter, r *http.Request) {
				conn, err := gor.Upgrade(w, r, nil)
				if err != nil {
					return
				}
				conn.WriteControl(gorilla.CloseMessage, gorilla.FormatCloseMessage(closeCode, closeReason), time.Now().Add(2*time.Second))
				conn.Close()
			})},
			{"coder", serve(func(w http.ResponseWriter, r *http.Request) {
				conn, err := websocket.Accept(w, r, nil)
				if err != nil {
					return
				}
				conn.Close(closeCode, closeReason)
			})},
			{"gws", serve(func(w http.ResponseWriter, r *http.Request) {
				conn, err := gw.Upgrade(w, r)
				if err != nil {
					return
				}
				conn.WriteClose(closeCode, []byte(closeReason))
			})},
			{"wsverdict", serve(link(http.NotFoundHandler()).ServeHTTP)},
			{"HTTP 401", refusing(func(w http.ResponseWriter, r *http.Request) {
				http.Error(w, closeReason, http.StatusUnauthorized)
			}, []byte(closeReason+"\n"), nil)},
		},
	}
}

// refusing serves f and sends it clients that read until the answer ends in last, and then send reply.
func refusing(f http.HandlerFunc, last, reply []byte) func(*testing.B) {
	return func(b *testing.B) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		server := &http.Server{Handler: f, ReadHeaderTimeout: 5 * time.Second}
		go server.Serve(l)
		defer server.Close()
		request := []byte(Handshake + "\r\n")
		answer := make([]byte, 4096)
		for b.Loop() {
			if err := refused(l.Addr().String(), request, answer, last, reply); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func refused(addr string, request, answer, last, reply []byte) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.Write(request); err != nil {
		return err
	}
	for n := 0; !bytes.HasSuffix(answer[:n], last); {
		m, err := conn.Read(answer[n:])
		if n += m; err != nil && !bytes.HasSuffix(answer[:n], last) {
			return err
		}
	}
	if reply != nil {
		conn.Write(reply) // whoever closed at once does not get it
	}
	return nil
}
