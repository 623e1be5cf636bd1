package bench

import (
	"bufio"
	"bytes"
	"flag"
	"io"
	"maps"
	"math"
	"net/http"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/wsverdict/wsverdict/examples/bench/internal/child"
)

func Benchmark(b *testing.B) {
	for _, row := range Rows() {
		b.Run(row.Name, func(b *testing.B) {
			for _, c := range row.Cases {
				b.Run(c.Name, func(b *testing.B) {
					b.ReportAllocs()
					c.Run(b)
				})
			}
		})
	}
}

// TestUpgradersAnswer: what is measured happened, with all headers.
func TestUpgradersAnswer(t *testing.T) {
	for _, headers := range []int{0, 3, 8} {
		for _, u := range upgraders {
			outer := outerHeader(headers)
			w, r, step := newWriter(u.early), newRequest(), u.make(outer)
			maps.Copy(w.header, outer)
			w.conn.keep = true
			step(w, r)
			checkAnswer(t, u.name, w, outer)
		}
	}
}

func checkAnswer(t *testing.T, name string, w *fakeWriter, outer http.Header) {
	t.Helper()
	header, rest := w.header, w.conn.written
	if w.status == 0 { // else the 101 went through the writer
		in := bufio.NewReader(bytes.NewReader(w.conn.written))
		res, err := http.ReadResponse(in, nil)
		if err != nil || res.StatusCode != http.StatusSwitchingProtocols {
			t.Errorf("%s: answer %v, error %v, want a 101", name, res, err)
			return
		}
		header = res.Header
		rest, _ = in.Peek(in.Buffered())
	}
	for field := range outer {
		if header.Get(field) != outer.Get(field) {
			t.Errorf("%s: %s is %q, want %q", name, field, header.Get(field), outer.Get(field))
		}
	}
	in := bytes.NewReader(rest)
	h, err := ws.ReadHeader(in)
	if err != nil || int64(in.Len()) < h.Length {
		t.Errorf("%s: no frame behind the 101: %v", name, err)
		return
	}
	payload := rest[len(rest)-in.Len():][:h.Length]
	if code, reason := ws.ParseCloseFrameData(payload); h.OpCode != ws.OpClose || code != closeCode || reason != closeReason {
		t.Errorf("%s: frame %v %d %q, want a close frame %d %q", name, h.OpCode, code, reason, closeCode, closeReason)
	}
}

// TestChainsDecide: the chains that are measured let pass, and refuse, as they say.
func TestChainsDecide(t *testing.T) {
	for _, tc := range []struct {
		name    string
		handler http.Handler
		request *http.Request
		want    ws.StatusCode // 0: the endpoint was reached
	}{
		{"neighbours", neighbours(), newRequest(), 0},
		{"whole, HS256, peers", peers(signatures["HS256"]()), bearer(signatures["HS256"]()), 4403},
		{"whole, HS256, wsverdict", ours(signatures["HS256"](), 0), bearer(signatures["HS256"]()), 4403},
		{"whole, HS256, remembered", ours(signatures["HS256"](), remembered), bearer(signatures["HS256"]()), 4403},
		{"whole, ES256, peers", peers(signatures["ES256"]()), bearer(signatures["ES256"]()), 4403},
		{"whole, ES256, wsverdict", ours(signatures["ES256"](), 0), bearer(signatures["ES256"]()), 4403},
		{"whole, RS256, peers", peers(signatures["RS256"]()), bearer(signatures["RS256"]()), 4403},
		{"whole, RS256, wsverdict", ours(signatures["RS256"](), 0), bearer(signatures["RS256"]()), 4403},
	} {
		w := newWriter(nil)
		w.conn.keep = true
		tc.handler.ServeHTTP(w, tc.request)
		_, frame, _ := bytes.Cut(w.conn.written, []byte("\r\n\r\n"))
		var code ws.StatusCode
		if len(frame) > 2 {
			code, _ = ws.ParseCloseFrameData(frame[2:])
		}
		if w.status != 0 || code != tc.want {
			t.Errorf("%s: status %d, close code %d, want no status and %d", tc.name, w.status, code, tc.want)
		}
	}
}

// TestProfilesHaveParts: every sample has a part that the report shows.
func TestProfilesHaveParts(t *testing.T) {
	for _, rule := range division.Rules {
		if !slices.Contains(Parts, rule[1]) {
			t.Errorf("%s belongs to %q, which is no part", rule[0], rule[1])
		}
	}
	profiles, err := Profiles(100 * time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range profiles {
		sum := 0.0
		for _, share := range p.Shares {
			sum += share
		}
		if p.Nanos > 0 && math.Abs(sum-1) > 1e-6 {
			t.Errorf("%s: the shares add up to %v, want 1", p.Name, sum)
		}
	}
}

// TestMain lets copies of the test be one side of a herd.
func TestMain(m *testing.M) {
	child.Main(Roles())
	os.Exit(m.Run())
}

// TestEchoersAnswer: every message comes back whole, many at once too.
func TestEchoersAnswer(t *testing.T) {
	for _, e := range echoers {
		for _, size := range []int{smallEcho, largeEcho} {
			c := newEchoClient(t, serve(t, e.make()), size, echoWindow)
			answer := slices.Clone(c.frames[:c.frame])
			header := c.frame - size - 4
			answer[1] &= 0x7f
			answer = append(answer[:header], c.text...)
			go c.conn.Write(c.frames)
			got := make([]byte, echoWindow*c.answer)
			if _, err := io.ReadFull(c.conn, got); err != nil {
				t.Errorf("%s, %d bytes: %v", e.name, size, err)
			} else if !bytes.Equal(got, bytes.Repeat(answer, echoWindow)) {
				t.Errorf("%s, %d bytes: the answers are not what was sent", e.name, size)
			}
		}
	}
}

// TestHerdsEnd: every client is told, and Shutdown returns nil.
func TestHerdsEnd(t *testing.T) {
	const n = 200
	for _, e := range enders {
		figures, err := runHerd("end "+e.name, n)
		if err != nil || figures["told"] != n {
			t.Errorf("%s: error %v, %v clients were told, want %d", e.name, err, figures["told"], n)
		}
	}
}

// TestCasesRun runs every case a few times, over real sockets too.
func TestCasesRun(t *testing.T) {
	defer func(n int) { herdSize = n }(herdSize)
	herdSize = 50
	times := flag.Lookup("test.benchtime")
	defer times.Value.Set(times.Value.String())
	for _, row := range Rows() {
		if row.Rounds > 0 { // a process each
			times.Value.Set("1x")
		} else {
			times.Value.Set("5x")
		}
		for _, c := range row.Cases {
			if r := testing.Benchmark(c.Run); r.N == 0 {
				t.Errorf("%s: %s failed", row.Name, c.Name)
			}
		}
	}
}

// TestCrowdsComeAndGo: what is measured of live connections happened.
func TestCrowdsComeAndGo(t *testing.T) {
	for name, f := range map[string]func(*testing.B){
		"contention": func(b *testing.B) { admitAtOnce(b, 8) },
		"crowded":    func(b *testing.B) { admitAmong(b, 100) },
	} {
		if r := testing.Benchmark(f); r.N == 0 {
			t.Error(name, "failed")
		}
	}
}
