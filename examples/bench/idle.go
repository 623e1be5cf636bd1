package bench

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"runtime"
	"time"

	"github.com/coder/websocket"
	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	gorilla "github.com/gorilla/websocket"
	"github.com/lxzan/gws"

	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

// An idler holds connections whose clients are silent.
type idler struct {
	name  string
	how   string // its clients connect
	pings bool   // it pings
	make  func() http.Handler
}

var idlers = []idler{
	{"bare connection and goroutine", "tcp", false, bare},
	{"gobwas wsutil, on a goroutine of its own", "tcp", false, func() http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			conn, _, _, err := ws.UpgradeHTTP(r, w)
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				wsutil.ReadClientData(conn)
			}()
		})
	}},
	{"gobwas wsutil, in ServeHTTP", "tcp", false, func() http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			conn, _, _, err := ws.UpgradeHTTP(r, w)
			if err != nil {
				return
			}
			defer conn.Close()
			wsutil.ReadClientData(conn)
		})
	}},
	{"gws", "tcp", false, func() http.Handler {
		up := gws.NewUpgrader(gwsEcho{}, nil)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			conn, err := up.Upgrade(w, r)
			if err != nil {
				return
			}
			go conn.ReadLoop()
		})
	}},
	{"gorilla", "tcp", false, func() http.Handler {
		var up gorilla.Upgrader
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			conn, err := up.Upgrade(w, r, nil)
			if err != nil {
				return
			}
			defer conn.Close()
			conn.ReadMessage()
		})
	}},
	{"coder", "tcp", false, func() http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			conn, err := websocket.Accept(w, r, nil)
			if err != nil {
				return
			}
			defer conn.CloseNow()
			conn.Read(r.Context())
		})
	}},
	{"wsverdict", "tcp", true, func() http.Handler { return tagging(reads) }},
	{"wsverdict, a session that has decoded JSON", "json", true, func() http.Handler { return tagging(decodes) }},
	{"wsverdict, TLS", "tls", true, func() http.Handler { return tagging(reads) }},
	{"bare connection and goroutine, TLS", "tls", false, bare},
}

// bare accepts, and reads once on a goroutine of its own.
func bare() http.Handler {
	static := staticAnswer(nil)
	static = static[:len(static)-len(closingFrame)]
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		conn.Write(static)
		go func() {
			defer conn.Close()
			var b [1]byte
			conn.Read(b[:])
		}()
	})
}

// tagging admits everybody with two tags and an expiry, and pings them every second.
func tagging(s upgrade.Session) http.Handler {
	up := &upgrade.Upgrader{PingInterval: time.Second}
	return up.Use(policy.Func(func(r *http.Request) policy.Verdict {
		number := r.Header.Get("X-Number")
		user := "user-" + number
		return policy.Allow().WithTag("user", user).WithTag("room", "room-"+number[:1]).
			WithExpiry(policy.Expiry{At: time.Now().Add(time.Hour), Owner: up, Subject: user})
	}))(up.Handler(func(*http.Request) (upgrade.Session, error) { return s, nil }))
}

func reads(ctx context.Context, c *upgrade.Conn) error {
	_, _, err := c.Read(ctx, nil)
	return err
}

func decodes(ctx context.Context, c *upgrade.Conn) error {
	for {
		_, message, err := c.Read(ctx, nil)
		if err != nil {
			return err
		}
		var m struct {
			Type, Room, Text string
			To               []string
			At               int64
		}
		if err := json.Unmarshal(message, &m); err != nil || m.Room != "lobby" {
			panic("the message was not decoded")
		}
	}
}

func idle() Row {
	row := Row{Name: "idle", Title: "Memory per idle connection", Base: "gws", Metric: "B/conn", Columns: []string{"B/conn", "heap", "stack"}, Rounds: 1,
		Floors: []string{"bare connection and goroutine", "bare connection and goroutine, TLS"},
		Note: fmt.Sprintf("%d connections over loopback, on net/http, the clients in another process, and each server in one of its own. Heap and stack in use after garbage collection, less what they "+
			"were before, for each connection. wsverdict has its keepalive on (every client has answered a ping by then), an expiry and two tags for each connection, one of them unique; "+
			"the peers are at their defaults and do none of that. Sessions wait for a message; the one that has decoded JSON got one message of 80 B, and encoding/json's need of stack stays.", Limit(herdSize))}
	row.Targets = []Target{{Case: "wsverdict", Unit: "B/conn", Most: 4096}}
	for _, i := range idlers {
		row.Cases = append(row.Cases, Case{i.name, herding("idle " + i.name)})
	}
	return row
}

func idleHerd(s idler, n int) error {
	Limit(n)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	addr := l.Addr().String()
	if s.how == "tls" {
		l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{certificate()}})
	}
	server := &http.Server{Handler: s.make(), ReadHeaderTimeout: 5 * time.Second}
	go server.Serve(l)
	heapBefore, stackBefore := inUse()
	clients, err := startClients(addr, n, s.how)
	if err == nil && s.pings {
		err = clients.Await("pinged")
	}
	if err != nil {
		return err
	}
	heap, stack := inUse()
	for same := 0; same < 8; same++ { // what the last handshake and the last pongs left behind goes, on a busy machine later
		time.Sleep(100 * time.Millisecond)
		if h, s := inUse(); h+s < heap+stack {
			heap, stack, same = h, s, -1
		}
	}
	heap, stack = (heap-heapBefore)/float64(n), (stack-stackBefore)/float64(n)
	fmt.Println(heap+stack, "B/conn")
	fmt.Println(heap, "heap")
	fmt.Println(stack, "stack")
	clients.Kill()
	return nil
}

func inUse() (heap, stack float64) {
	for range 3 { // pools let go of what they hold at the second
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapInuse), float64(m.StackInuse)
}

func certificate() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
