package main

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"github.com/wsverdict/wsverdict/upgrade/upgradetest"
)

func TestRooms(t *testing.T) {
	s := start(t)
	ada, bob, eve := s.join(t, "ada", "lobby"), s.join(t, "bob", "lobby"), s.join(t, "eve", "cellar")
	if ada.Subprotocol() != "chat.v1" {
		t.Errorf("subprotocol %q", ada.Subprotocol())
	}
	bob.say(t, "present")
	bob.hears(t, "bob: present") // so bob is there
	ada.say(t, "hello")
	bob.hears(t, "ada: hello")
	eve.say(t, "anybody?")
	eve.hears(t, "eve: anybody?") // and nothing of the lobby
}

func TestRefused(t *testing.T) {
	s := start(t)
	for _, row := range []struct{ name, token, reason string }{
		{"no token", "", "token_missing;do=refresh"},
		{"not ours", "eyJhbGciOiJFUzI1NiJ9.e30.c2lnbmF0dXJl", "token_signature_invalid;do=refresh"},
	} {
		t.Run(row.name, func(t *testing.T) {
			offer := []string{"chat.v1"}
			if row.token != "" {
				offer = append(offer, "bearer", row.token)
			}
			dialer := websocket.Dialer{Subprotocols: offer}
			c, _, err := dialer.DialContext(t.Context(), "ws://"+s.addr+"/rooms/lobby", nil)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			member{c}.closes(t, 4401, row.reason)
		})
	}
	t.Run("foreign origin", func(t *testing.T) {
		_, res, err := websocket.DefaultDialer.DialContext(t.Context(), "ws://"+s.addr+"/rooms/lobby", http.Header{"Origin": {"https://evil.example"}})
		if err == nil || res == nil || res.StatusCode != http.StatusForbidden {
			t.Errorf("%v, %v; want 403", res, err)
		}
	})
	t.Run("names", func(t *testing.T) {
		for _, user := range []string{"ADA", "a:b", strings.Repeat("a", 21)} {
			if status, _ := s.call(t, http.MethodPost, "/login/"+user, ""); status == http.StatusOK {
				t.Errorf("%q has a token", user)
			}
		}
	})
	t.Run("no admin", func(t *testing.T) {
		ada := s.join(t, "ada", "lobby")
		for _, password := range []string{"", "guessed"} {
			for _, r := range [][2]string{{"POST", "/ban/ada"}, {"POST", "/maintenance"}, {"DELETE", "/maintenance"}} {
				if status, _ := s.call(t, r[0], r[1], password); status != http.StatusUnauthorized {
					t.Errorf("%s %s with %q: %d, want 401", r[0], r[1], password, status)
				}
			}
		}
		ada.say(t, "still here")
		ada.hears(t, "ada: still here")
	})
}

func TestBan(t *testing.T) {
	s := start(t)
	ada := s.join(t, "ada", "lobby")
	here, there := s.join(t, "bob", "lobby"), s.join(t, "bob", "cellar")
	s.admin(t, http.MethodPost, "/ban/bob")
	here.closes(t, 4403, "banned;do=stop")
	there.closes(t, 4403, "banned;do=stop")
	s.join(t, "bob", "lobby").closes(t, 4403, "banned;do=stop")
	ada.say(t, "he is gone")
	ada.hears(t, "ada: he is gone")
}

func TestSeats(t *testing.T) {
	s := start(t)
	one := s.join(t, "ada", "a")
	s.join(t, "ada", "b")
	s.join(t, "ada", "c")
	s.join(t, "ada", "d").closes(t, 4429, "too_many_connections;do=backoff")
	bob := s.join(t, "bob", "d")
	bob.say(t, "hello")
	bob.hears(t, "bob: hello")

	bye := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
	if err := one.WriteMessage(websocket.CloseMessage, bye); err != nil {
		t.Fatal(err)
	}
	one.closes(t, websocket.CloseNormalClosure, "")
	for s.metric(t, "wsverdict_seats") != "3" {
	}
	again := s.join(t, "ada", "d")
	again.say(t, "again")
	bob.hears(t, "ada: again")
}

func TestMaintenance(t *testing.T) {
	s := start(t)
	ada, bob := s.join(t, "ada", "lobby"), s.join(t, "bob", "cellar")
	s.admin(t, http.MethodPost, "/maintenance")
	ada.closes(t, 4503, "maintenance;do=backoff;after=")
	bob.closes(t, 4503, "maintenance;do=backoff;after=")
	s.join(t, "eve", "lobby").closes(t, 4503, "maintenance;do=backoff")
	s.admin(t, http.MethodDelete, "/maintenance")
	eve := s.join(t, "eve", "lobby")
	eve.say(t, "open again")
	eve.hears(t, "eve: open again")
}

// TestSlowReader has one who never reads, in a room where more is said than any buffer holds.
func TestSlowReader(t *testing.T) {
	s := start(t, bePatient+"=1")
	slow, ada := s.join(t, "slow", "lobby"), s.join(t, "ada", "lobby")
	if err := slow.NetConn().(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
		t.Fatal(err)
	}
	text := strings.Repeat("x", 4<<10-1)
	for range 3000 {
		ada.say(t, text)
		ada.hears(t, "ada: "+text)
	}
	for s.metric(t, "wsverdict_connections") != "1" { // and is closed for it
	}
}

func TestBadMessages(t *testing.T) {
	s := start(t)
	ada := s.join(t, "ada", "lobby")
	ada.say(t, strings.Repeat("x", 4<<10+1))
	ada.closes(t, websocket.CloseMessageTooBig, "message_too_big")
	bob := s.join(t, "bob", "lobby")
	if err := bob.WriteMessage(websocket.BinaryMessage, []byte{0xff}); err != nil {
		t.Fatal(err)
	}
	bob.closes(t, websocket.CloseNormalClosure, "")
}

// metric returns the value of a metric that has no labels.
func (s *server) metric(t *testing.T, name string) string {
	t.Helper()
	status, text := s.call(t, http.MethodGet, "/metrics", "")
	found := regexp.MustCompile(`(?m)^` + name + ` (\S+)$`).FindStringSubmatch(text)
	if status != http.StatusOK || found == nil {
		t.Fatalf("metrics: %d, no %s in\n%s", status, name, text)
	}
	return found[1]
}

// TestMetrics has clients close with codes that they make up: none of it may become a label, nor any name.
func TestMetrics(t *testing.T) {
	s := start(t)
	for i := range 40 {
		m := s.join(t, "curious"+strings.Repeat("x", i/3), fmt.Sprintf("secret-%d", i))
		if err := m.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(3000+50*i, "made up")); err != nil {
			t.Fatal(err)
		}
		m.closed(t)
	}
	s.admin(t, http.MethodPost, "/ban/mallory")
	s.join(t, "mallory", "lobby").closes(t, 4403, "banned")
	for s.metric(t, "wsverdict_connections") != "0" {
	}
	var text string
	for _, want := range []string{
		`wsverdict_handshakes_total{code="0",outcome="admitted",policy="endpoint",slug="",why=""} 40`,
		`wsverdict_handshakes_total{code="4403",outcome="closed",policy="bans",slug="banned",why=""} 1`,
		`wsverdict_connections_closed_total{by="client",code="3000"} 20`,
		`wsverdict_connections_closed_total{by="client",code="4000"} 20`,
	} {
		upgradetest.Eventually(t, want, func() bool { // what is counted may be so a moment after the connection is gone
			_, text = s.call(t, http.MethodGet, "/metrics", "")
			return strings.Contains(text, want+"\n")
		})
	}
	if n := strings.Count(text, "\nwsverdict_handshakes_total{") + strings.Count(text, "\nwsverdict_connections_closed_total{"); n != 2+2 {
		t.Errorf("%d rows of counters that have a code, want 4", n)
	}
	for _, secret := range []string{"curious", "secret", "mallory", "127.0.0.1"} {
		if strings.Contains(text, secret) {
			t.Errorf("%q is in the metrics", secret)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}

func TestTakenPort(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	addr := listener.Addr().String()
	cmd := chatCommand(t, "-addr", addr)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); err == nil || cmd.ProcessState.ExitCode() != 1 {
		t.Errorf("exit code %d (%v), want 1", cmd.ProcessState.ExitCode(), err)
	}
	if said := stderr.String(); strings.Count(said, "\n") != 1 || !strings.Contains(said, addr) || !strings.Contains(said, "-addr") {
		t.Errorf("stderr: %q, want one line with the address and a way out", said)
	}
}
