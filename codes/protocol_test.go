package codes_test

import (
	"encoding/json"
	"io"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

// readings are the profiles of the test vectors.
var readings = map[string]codes.Reading{
	"mirrored":             codes.FromMirrored,
	"iana":                 codes.FromIANA,
	"graphql-transport-ws": codes.FromGraphQLTransportWS,
	"centrifuge":           codes.FromCentrifuge,
	"pusher":               codes.FromPusher,
}

// An outcome is what a vector of docs/protocol.md wants.
type outcome struct {
	Code       uint16 `json:"code"`
	Name       string `json:"name"`
	Slug       string `json:"slug"`
	Action     string `json:"action"`
	After      int64  `json:"after"`
	HTTPStatus int    `json:"httpStatus"`
	Clean      bool   `json:"clean"`
	Refused    *bool  `json:"refused"`
}

func vectors[T any](t *testing.T, file string) []T {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", "protocol", file))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []T
	decoder := json.NewDecoder(f)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&all); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return all
}

func TestProtocolClose(t *testing.T) {
	profiles := map[string]bool{}
	for _, v := range vectors[struct {
		Name, Profile string
		Close         struct {
			Code             uint16
			Reason           string
			WasClean         bool
			Protocol         string
			Opened, Admitted *bool
		}
		Want outcome
	}](t, "close.json") {
		profiles[v.Profile] = true
		t.Run(v.Name, func(t *testing.T) {
			o := codes.ReadClose(readings[v.Profile], v.Close.Code, v.Close.Reason)
			got := outcome{Code: o.Code, Name: o.Name, Slug: o.Slug, Action: o.Action.String(), After: int64(o.After / time.Second),
				HTTPStatus: o.Status, Clean: v.Close.WasClean}
			want := v.Want
			if refused := refused(v.Close.Code, v.Close.Protocol, v.Close.Opened, v.Close.Admitted); !equal(refused, want.Refused) {
				t.Errorf("refused: %s, want %s", text(refused), text(want.Refused))
			}
			want.Refused = nil
			if got != want {
				t.Errorf("code %d, reason %q:\n got %+v\nwant %+v", v.Close.Code, v.Close.Reason, got, want)
			}
		})
	}
	if len(profiles) != len(readings) {
		t.Errorf("vectors for %d profiles, want %d", len(profiles), len(readings))
	}
}

// refused is rule WV4g. A Go client knows from its handshake whether it was refused, so the package
// has no function for it.
func refused(code uint16, protocol string, opened, admitted *bool) *bool {
	yes, no := true, false
	switch {
	case protocol == codes.SubprotocolRefused, opened != nil && !*opened && code != 1006:
		return &yes
	case admitted != nil && *admitted:
		return &no
	}
	return nil
}

func equal(a, b *bool) bool { return text(a) == text(b) }

func text(b *bool) string {
	j, _ := json.Marshal(b)
	return string(j)
}

// What the vectors call a problem of this library is what a server of this library answers.
func TestProtocolExplainIsServed(t *testing.T) {
	served := 0
	for _, v := range vectors[struct {
		Name string
		HTTP struct {
			Status  int
			Headers map[string]string
			Body    string
		}
		Want   *outcome
		Served bool
	}](t, "explain.json") {
		if !v.Served {
			continue
		}
		served++
		t.Run(v.Name, func(t *testing.T) {
			action, _ := codes.ParseAction(v.Want.Action)
			verdict := policy.Close(codes.Code(v.Want.Code), v.Want.Slug).WithAction(action).
				WithAfter(time.Duration(v.Want.After) * time.Second).WithStatus(v.Want.HTTPStatus)
			up := &upgrade.Upgrader{}
			w := httptest.NewRecorder()
			up.Use(policy.Func(func(*http.Request) policy.Verdict { return verdict }))(http.NotFoundHandler()).
				ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/ws/why", nil))
			if w.Code != v.HTTP.Status {
				t.Errorf("status %d, want %d", w.Code, v.HTTP.Status)
			}
			for name, want := range v.HTTP.Headers {
				if got := w.Header().Get(name); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
			body, _ := io.ReadAll(w.Body)
			var got, want map[string]any
			if err := json.Unmarshal(body, &got); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal([]byte(v.HTTP.Body), &want); err != nil {
				t.Fatal(err)
			}
			if !maps.Equal(got, want) {
				t.Errorf("got  %s\nwant %s", body, v.HTTP.Body)
			}
		})
	}
	if served == 0 {
		t.Error("no vector is a problem of this library")
	}
}

type step struct {
	Event  string
	Code   uint16
	Action string
	After  float64
	Stable bool
	Expect move
}

type move struct {
	Do       string
	Min, Max float64 // milliseconds
}

// The schedule's vectors do not contradict each other: the rules, written down once more, give them
// all.
func TestProtocolSchedule(t *testing.T) {
	for _, v := range vectors[struct {
		Name    string
		Options struct{ CanRefresh bool }
		Steps   []step
	}](t, "schedule.json") {
		t.Run(v.Name, func(t *testing.T) {
			s := schedule{canRefresh: v.Options.CanRefresh}
			for i, step := range v.Steps {
				if got := s.next(step); got != step.Expect {
					t.Fatalf("step %d, %s: %+v, want %+v", i+1, step.Event, got, step.Expect)
				}
			}
		})
	}
}

// A schedule is WV6 and WV7.
type schedule struct {
	canRefresh              bool
	waits                   float64
	refreshed, seen         bool // since the last stable connection
	waiting, network, stale bool // in a wait; one that follows 1006; one that ends in a refresh
	offline, over           bool
	after                   float64
}

var nothing = move{Do: "nothing"}

func (s *schedule) next(e step) move {
	switch e.Event {
	case "end":
		if e.Stable {
			s.waits, s.refreshed, s.seen = 0, false, false
		}
		s.network, s.after = e.Code == 1006, e.After
		switch e.Action {
		case "backoff":
			return s.wait(e.After, 1000)
		case "reconnect":
			return s.wait(e.After, 3000)
		case "refresh":
			if s.canRefresh && !s.refreshed {
				s.refreshed = true
				return move{Do: "refresh"}
			}
		}
		return move{Do: "stop"}
	case "refreshed":
		if s.after > 0 {
			return s.wait(s.after, 3000)
		}
		return move{Do: "connect"}
	case "refreshFailed":
		s.stale = true
		return s.wait(0, 1000)
	case "timer":
		if s.offline {
			s.over = true
			return move{Do: "hold"}
		}
		return s.attempt()
	case "offline":
		s.offline = true
		if s.waiting && s.network {
			return move{Do: "hold"}
		}
		return nothing
	case "online":
		s.offline = false
		if s.waiting && (s.network || s.over) {
			return s.attempt()
		}
	case "pageshow":
		if s.waiting && s.network && !s.offline {
			return s.attempt()
		}
	case "visible":
		if s.waiting && s.network && !s.offline && !s.seen {
			s.seen = true
			return s.attempt()
		}
	}
	return nothing
}

func (s *schedule) wait(after, first float64) move {
	s.waiting, s.over = true, false
	floor, spread := after*1000, min(60_000, first*math.Exp2(s.waits))
	s.waits++
	if s.offline && s.network {
		return move{Do: "hold"}
	}
	return move{"wait", floor, floor + spread}
}

func (s *schedule) attempt() move {
	s.waiting, s.over = false, false
	if s.stale {
		s.stale = false
		return move{Do: "refresh"}
	}
	return move{Do: "connect"}
}

// A profile's code, read back, has the client do what the denial says, reason or not; with the
// reason exactly that.
func TestReadingsInvertProfiles(t *testing.T) {
	for _, p := range profiles {
		for d := range denials {
			code, want := p.profile(d), d.Reason.Action()
			if got := codes.ReadClose(p.reading, code, d.Reason.String()).Action; want != 0 && got != want {
				t.Errorf("%s: %d with %q is read as %s", p.name, code, d.Reason, got)
			}
			m := p.reading(code)
			if m.Action.String() == "" {
				t.Errorf("%s: %d means no action", p.name, code)
			}
			if m.Status != 0 && (m.Status < 400 || m.Status > 599) {
				t.Errorf("%s: %d has status %d", p.name, code, m.Status)
			}
		}
		allocs := testing.AllocsPerRun(100, func() { codes.ReadClose(p.reading, 4401, "token_expired;do=refresh") })
		if allocs != 0 {
			t.Errorf("%s: reading allocates %v times, want 0", p.name, allocs)
		}
	}
}

// Every code that can be told apart is read back as what it was.
func TestReadingMirrored(t *testing.T) {
	for code := codes.Code(4000); code <= 4999; code++ {
		m := codes.FromMirrored(uint16(code))
		status, _ := code.Status()
		if m.Status != status || m.Action != code.Action() {
			t.Errorf("%d: %+v", code, m)
		}
		named := slices.ContainsFunc(codes.Catalog(), func(e codes.Entry) bool { return e.Code == code })
		if (m.Name != "") != named || named && m.Name != code.Name() {
			t.Errorf("%d: name %q", code, m.Name)
		}
	}
}
