package http2

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

// A closing is what a script got to know.
type closing struct {
	Open     bool
	Code     int
	Reason   string
	WasClean bool
	Said     []string // by the server
}

// connecting has a script open a WebSocket, and say something once it is open.
const connecting = `
	const connect = (path, says) => new Promise((resolve) => {
		const socket = new WebSocket(location.origin.replace(/^http/, "ws") + path), seen = { Open: false, Said: [] };
		socket.onopen = () => { seen.Open = true; says?.(socket); };
		socket.onmessage = ({ data }) => seen.Said.push(data);
		socket.onclose = ({ code, reason, wasClean }) => resolve({ ...seen, Code: code, Reason: reason, WasClean: wasClean });
	});
`

// TestDoesTheCloseCodeArrive has a page open two hundred WebSockets at once, all of which are refused.
func TestDoesTheCloseCodeArrive(t *testing.T) {
	const times = 200
	inBrowsers(t, func(t *testing.T, b browser) {
		for _, row := range []struct {
			name  string
			says  string
			delay time.Duration // one way
		}{
			{"nothing unread", "", 0},
			{"64 KB unread", "(socket) => socket.send(new Uint8Array(64 << 10))", 0},
			{"nothing unread, 40 ms", "", 20 * time.Millisecond},
			{"64 KB unread, 40 ms", "(socket) => socket.send(new Uint8Array(64 << 10))", 20 * time.Millisecond},
		} {
			t.Run(row.name, func(t *testing.T) {
				s := serve(t, &upgrade.Upgrader{LingerTimeout: patience})
				url := s.URL
				if row.delay > 0 {
					url = "https://" + relay(t, s.Listener.Addr().String(), row.delay)
				}
				b.open(t, url+"/")
				var seen []closing
				b.run(t, connecting+fmt.Sprintf(`return Promise.all(Array.from({ length: %d }, () => connect("/refused", %s)));`,
					times, orNull(row.says)), &seen)
				knew, clean := 0, 0
				for _, c := range seen {
					if c.Code == 4401 && c.Reason == "token_expired;do=refresh" && c.Open {
						knew++
					} else if knew == len(seen)-1 {
						t.Logf("one saw %+v", c)
					}
					if c.WasClean {
						clean++
					}
				}
				t.Logf("%d of %d scripts knew code and reason; %d closes were clean", knew, len(seen), clean)
				if knew != times {
					t.Errorf("%d of %d knew; the last saw %+v", knew, times, seen[len(seen)-1])
				}
				s.wantHTTP2(t, times)
				s.wantReturned(t, times)
				s.wantEmpty(t)
			})
		}
	})
}

func orNull(script string) string {
	if script == "" {
		return "null"
	}
	return script
}

// wantHTTP2 wants so many handshakes, all over HTTP/2.
func (s *service) wantHTTP2(t *testing.T, n int) {
	t.Helper()
	for range n {
		if e := s.events.Until(t, upgrade.Settled); e.ProtoMajor != 2 || e.Err != nil {
			t.Errorf("a handshake over HTTP/%d: %v", e.ProtoMajor, e.Err)
		}
	}
}

// TestSessions: what a script sees of connections that are admitted.
func TestSessions(t *testing.T) {
	const hello = `(socket) => socket.send("hello")`
	inBrowsers(t, func(t *testing.T, b browser) {
		for _, row := range []struct {
			name, path, says string
			end              func(s *service)
			code             int
			reason           string
		}{
			{"the page closes", "/echo", `(socket) => { socket.addEventListener("message", () => socket.close(4000)); socket.send("hello"); }`, nil, 4000, ""},
			{"expires", "/expires", hello, nil, 4401, "token_expired;do=refresh"},
			{"is banned", "/banned", hello, func(s *service) { s.up.End(banned, 0, policy.Tag{Key: "user", Value: "eve"}) }, 4403, "banned;do=stop"},
			{"is shut down", "/echo", hello, func(s *service) {
				ctx, cancel := contextFor(patience)
				defer cancel()
				_ = s.up.Shutdown(ctx)
			}, 4503, "restart;do=reconnect;after="},
		} {
			t.Run(row.name, func(t *testing.T) {
				s := serve(t, &upgrade.Upgrader{LingerTimeout: patience})
				b.open(t, s.URL+"/")
				if row.end != nil {
					go func() {
						<-s.said
						row.end(s)
					}()
				}
				var seen closing
				b.run(t, connecting+fmt.Sprintf(`return connect(%q, %s);`, row.path, row.says), &seen)
				if !seen.Open || seen.Code != row.code || !strings.HasPrefix(seen.Reason, row.reason) || !seen.WasClean || strings.Join(seen.Said, "|") != "hello" {
					t.Errorf("the script saw %+v", seen)
				}
				s.wantHTTP2(t, 1)
				s.wantReturned(t, 1)
				s.wantEmpty(t)
			})
		}
	})
}

var banned = policy.Close(4403, "banned")

// TestBesideADownload: ten WebSockets, of which one is refused, and a large download share a connection.
func TestBesideADownload(t *testing.T) {
	inBrowsers(t, func(t *testing.T, b browser) {
		s := serve(t, &upgrade.Upgrader{LingerTimeout: patience})
		b.open(t, s.URL+"/")
		var seen struct {
			Downloaded int
			Closings   []closing
		}
		b.run(t, connecting+`
			const rounds = 50, talk = (socket) => {
				let left = rounds;
				socket.addEventListener("message", () => --left ? socket.send("x".repeat(1000)) : socket.close(4000));
				socket.send("hello");
			};
			const response = await fetch("/download"), reader = response.body.getReader();
			let Downloaded = (await reader.read()).value.length; // it is under way
			const talks = Array.from({ length: 9 }, () => connect("/echo", talk));
			talks.push(connect("/refused", null));
			for (let part; !(part = await reader.read()).done;) Downloaded += part.value.length;
			return { Downloaded, Closings: (await Promise.all(talks)).map((c) => ({ ...c, Said: [String(c.Said.length)] })) };
		`, &seen)
		if seen.Downloaded != download {
			t.Errorf("%d bytes of %d", seen.Downloaded, download)
		}
		for i, c := range seen.Closings {
			if i < 9 && (c.Code != 4000 || c.Said[0] != "50" || !c.WasClean) || i == 9 && c.Code != 4401 {
				t.Errorf("socket %d: %+v", i, c)
			}
		}
		from := <-s.downloads
		for range 9 {
			if e := s.events.Until(t, upgrade.Ended); e.Session.RemoteAddr.String() != from {
				t.Errorf("a WebSocket from %v, the download from %s", e.Session.RemoteAddr, from)
			}
		}
		s.wantReturned(t, 10)
		s.wantEmpty(t)
	})
}

// TestWithoutTheSwitch: the same pages of a process without GODEBUG come by HTTP/1.1, and see the same.
func TestWithoutTheSwitch(t *testing.T) {
	url, told := startAlone(t, "GODEBUG=")
	inBrowsers(t, func(t *testing.T, b browser) {
		b.open(t, url+"/")
		var seen []closing
		b.run(t, connecting+`return [await connect("/refused", null),
			await connect("/echo", (socket) => { socket.onmessage = () => socket.close(4000); socket.send("hello"); })];`, &seen)
		if len(seen) != 2 || seen[0].Code != 4401 || seen[1].Code != 4000 {
			t.Errorf("the script saw %+v", seen)
		}
		for range 2 {
			var major int
			if err := told.Decode(&major); err != nil || major != 1 {
				t.Errorf("a handshake over HTTP/%d: %v", major, err)
			}
		}
	})
}

// relay passes bytes on to addr and back, each after a delay.
func relay(t *testing.T, addr string, delay time.Duration) (through string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	type piece struct {
		p  []byte
		at time.Time
	}
	pass := func(to, from net.Conn) {
		pieces := make(chan piece, 4096)
		go func() {
			defer close(pieces)
			in := bufio.NewReaderSize(from, 64<<10)
			for {
				if _, err := in.Peek(1); err != nil {
					return
				}
				p := make([]byte, in.Buffered())
				_, _ = io.ReadFull(in, p)
				pieces <- piece{p, time.Now().Add(delay)}
			}
		}()
		defer to.Close()
		for one := range pieces {
			time.Sleep(time.Until(one.at)) // the delay is what this is for
			if _, err := to.Write(one.p); err != nil {
				from.Close()
			}
		}
	}
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", addr)
			if err != nil {
				client.Close()
				continue
			}
			t.Cleanup(func() { client.Close(); server.Close() })
			go pass(client, server)
			go pass(server, client)
		}
	}()
	return l.Addr().String()
}
