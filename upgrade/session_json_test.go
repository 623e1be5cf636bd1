package upgrade_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
	"github.com/wsverdict/wsverdict/upgrade/upgradetest"
)

type chatLine struct {
	Text string `json:"text"`
}

// jsonEcho is a session that answers each value with itself.
func jsonEcho(ctx context.Context, c *upgrade.Conn) error {
	for {
		var line chatLine
		if err := c.ReadJSON(ctx, &line); err != nil {
			return err
		}
		if err := c.WriteJSON(ctx, line); err != nil {
			return err
		}
	}
}

func TestJSON(t *testing.T) {
	for _, tc := range []struct {
		name, send string
		code       uint16
		reason     string
	}{
		{"bad syntax", masked(ws.NewTextFrame([]byte(`{"text":`))), 4400, "message_malformed;do=stop"},
		{"empty", masked(ws.NewTextFrame(nil)), 4400, "message_malformed;do=stop"},
		{"another type", masked(ws.NewTextFrame([]byte(`{"text":1}`))), 4400, "message_malformed;do=stop"},
		{"binary", masked(ws.NewBinaryFrame([]byte(`{"text":"x"}`))), 4400, "message_malformed;do=stop"},
		{"too big", masked(ws.NewTextFrame(make([]byte, 101))), 1009, "message_too_big;do=stop"},
		{"not UTF-8", masked(ws.NewTextFrame([]byte("\"\xff\""))), 1007, "invalid_utf8;do=stop"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			events := &ledger{}
			c := admit(t, &upgrade.Upgrader{MaxMessageBytes: 100, Observer: events}, jsonEcho)
			c.say(`{"text":"one"}`)
			c.send(fragments(ws.OpText, `{"te`, `xt":"tw`, `o"}`))
			if f := c.frame(); string(f.Payload) != `{"text":"two"}` || f.Header.OpCode != ws.OpText {
				t.Errorf("got %q", f.Payload)
			}
			c.send(tc.send)
			c.wantClose(tc.code, tc.reason)
			c.bye()
			if e := events.await(t, upgrade.Ended); tc.code == 4400 && (e.Verdict.Cause() == nil || e.Verdict.Slug() != "message_malformed") {
				t.Errorf("observed %+v", e.Verdict)
			}
		})
	}
}

// A session may answer what does not decode, and read on. The codec's error is there.
func TestJSONReadsOn(t *testing.T) {
	c := admit(t, &upgrade.Upgrader{}, func(ctx context.Context, c *upgrade.Conn) error {
		var line chatLine
		err := c.ReadJSON(ctx, &line)
		var v policy.Verdict
		var fault *json.SyntaxError
		if !errors.As(err, &v) || v.Code() != 4400 || !errors.As(v.Cause(), &fault) {
			t.Errorf("got %v", err)
		}
		if err := c.WriteJSON(ctx, func() {}); err == nil {
			t.Error("a function was encoded")
		}
		return jsonEcho(ctx, c)
	})
	c.SendText("{")
	c.say(`{"text":"on"}`)
	c.leave(1000)
}

func TestJSONCodec(t *testing.T) {
	up := &upgrade.Upgrader{Codec: upgrade.Codec{
		Marshal:   func(v any) ([]byte, error) { return []byte("<" + v.(chatLine).Text + ">"), nil },
		Unmarshal: func(data []byte, v any) error { v.(*chatLine).Text = strings.ToUpper(string(data)); return nil },
	}}
	c := admit(t, up, jsonEcho)
	c.Say("a", "<A>")
	if p, err := up.PrepareJSON(chatLine{"b"}); err != nil || up.BroadcastAll(p) != 1 {
		t.Error(err)
	}
	if f := c.frame(); string(f.Payload) != "<b>" {
		t.Errorf("got %q", f.Payload)
	}
	c.leave(1000)
	half := &upgrade.Upgrader{Codec: upgrade.Codec{Marshal: json.Marshal}}
	if text := panicOf(t, func() { half.Handler(run(echoAll)) }); !strings.Contains(text, "Codec") {
		t.Errorf("panic %q", text)
	}
}

// Reading and writing cost what the codec costs.
func TestJSONAllocations(t *testing.T) {
	answer := []byte(`{}`)
	up := &upgrade.Upgrader{Codec: upgrade.Codec{
		Marshal:   func(any) ([]byte, error) { return answer, nil },
		Unmarshal: func([]byte, any) error { return nil },
	}}
	f := &feed{messages: make(chan []byte, 1), written: make(chan int, 10)}
	t.Cleanup(func() { close(f.messages) })
	admitInMemory(up, f, func(ctx context.Context, c *upgrade.Conn) error {
		line := &chatLine{}
		for {
			if err := c.ReadJSON(ctx, line); err != nil {
				return err
			}
			if err := c.WriteJSON(ctx, line); err != nil {
				return err
			}
		}
	})
	<-f.written // the 101
	message := []byte(textFrame(`{"text":"` + repeated("x", 1000) + `"}`))
	if n := allocations(t, func() { f.messages <- message; <-f.written }); n != 0 {
		t.Errorf("%v allocations a message, want 0", n)
	}
}

// What is sent to one and what is broadcast arrive in the order in which they were sent.
func TestSendJSON(t *testing.T) {
	up := &upgrade.Upgrader{}
	conn, client := upgradetest.Pair(t, up.Handler)
	conn.Tag("room", "1")
	room := policy.Tag{Key: "room", Value: "1"}
	for i := range 100 {
		if err := conn.SendJSON(map[string]int{"mine": i}); err != nil {
			t.Fatal(err)
		}
		if n, err := up.BroadcastJSON(map[string]int{"ours": i}, room); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		if n, err := up.BroadcastJSON(i, policy.Tag{Key: "room", Value: "2"}); n != 0 || err != nil {
			t.Fatal(n, err)
		}
	}
	if err := conn.SendJSON(func() {}); err == nil {
		t.Error("a function was sent")
	}
	if n, err := up.BroadcastJSON(func() {}, room); n != 0 || err == nil {
		t.Errorf("a function was sent to %d", n)
	}
	for i := range 100 {
		for _, whose := range []string{"mine", "ours"} {
			if f, want := client.Frame(), fmt.Sprintf(`{%q:%d}`, whose, i); string(f.Payload) != want || f.Header.OpCode != ws.OpText {
				t.Fatalf("got %q, want %q", f.Payload, want)
			}
		}
	}
}
