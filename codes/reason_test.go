package codes_test

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/wsverdict/wsverdict/codes"
)

var longestSlug = strings.Repeat("a", codes.MaxSlug)

func TestReasonText(t *testing.T) {
	tests := []struct {
		desc  string
		slug  string
		do    codes.Action
		after time.Duration
		text  string
	}{
		{desc: "slug alone", slug: "gone", text: "gone"},
		{desc: "action", slug: "token_expired", do: codes.Refresh, text: "token_expired;do=refresh"},
		{desc: "both", slug: "rate_limited", do: codes.Backoff, after: 30 * time.Second, text: "rate_limited;do=backoff;after=30"},
		{desc: "wait alone", slug: "restart", after: 3 * time.Second, text: "restart;after=3"},
		{desc: "a wait is never shortened", slug: "x", after: time.Second + 1, text: "x;after=2"},
		{desc: "nor rounded to none", slug: "x", after: 1, text: "x;after=1"},
		{desc: "negative wait", slug: "x", after: -time.Hour, text: "x"},
		{desc: "most negative wait", slug: "x", after: math.MinInt64, text: "x"},
		{desc: "just below the longest wait", slug: "x", after: codes.MaxAfter - 1, text: "x;after=999999999"},
		{desc: "just beyond the longest wait", slug: "x", after: codes.MaxAfter + time.Second, text: "x;after=999999999"},
		{desc: "longest wait of all", slug: "x", after: math.MaxInt64, text: "x;after=999999999"},
		{desc: "longest", slug: longestSlug, do: codes.Reconnect, after: codes.MaxAfter, text: longestSlug + ";do=reconnect;after=999999999"},
	}
	for _, tc := range tests {
		t.Run(tc.desc, func(t *testing.T) {
			r := codes.NewReason(tc.slug, tc.do, tc.after)
			if got := r.String(); got != tc.text {
				t.Errorf("text %q, want %q", got, tc.text)
			}
			if r.Slug() != tc.slug || r.Action() != tc.do {
				t.Errorf("slug %q, action %s, want %q, %s", r.Slug(), r.Action(), tc.slug, tc.do)
			}
			if built := codes.NewReason(tc.slug, codes.Stop, time.Hour).WithAction(tc.do).WithAfter(tc.after); built != r {
				t.Errorf("With methods give %#v, NewReason %#v", built, r)
			}
			if parsed, ok := codes.ParseReason(tc.text); parsed != r || !ok {
				t.Errorf("ParseReason(%q) = %#v, %t, want %#v", tc.text, parsed, ok, r)
			}
			if len(tc.text) > codes.MaxReason {
				t.Errorf("%d bytes, want at most %d", len(tc.text), codes.MaxReason)
			}
		})
	}
}

func TestReasonIsAValue(t *testing.T) {
	r := codes.NewReason("x", codes.Stop, time.Second)
	_ = r.WithAction(codes.Refresh)
	_ = r.WithAfter(time.Minute)
	if r.Action() != codes.Stop || r.After() != time.Second {
		t.Errorf("With methods changed their receiver: %s", r)
	}
}

// What has no slug has no text: parameters alone would be read as nothing.
func TestReasonZero(t *testing.T) {
	if got := (codes.Reason{}).WithAction(codes.Stop).WithAfter(time.Second).String(); got != "" {
		t.Errorf("a Reason without slug says %q, want nothing", got)
	}
}

func TestNewReasonPanicsOnBadSlug(t *testing.T) {
	for _, slug := range []string{
		"", " ", "A", "Token", "token-expired", "token expired", "1st", "_x", "x;do=stop", "x=", "é", "xé", "x\x00", "x\xff", "x\n",
		longestSlug + "a",
	} {
		t.Run(slug, func(t *testing.T) {
			defer func() {
				// The words are the contract: they are all that a programmer gets to see.
				want := fmt.Sprintf("codes: slug %q: want a letter a-z, then at most 63 of a-z, 0-9 and _", slug)
				if got := recover(); got != want {
					t.Errorf("panic %v, want %q", got, want)
				}
			}()
			codes.NewReason(slug, codes.Stop, 0)
		})
	}
}

var parsed = []struct {
	desc string
	text string
	want codes.Reason
	ok   bool
}{
	{desc: "empty"},
	{desc: "another library's sentence", text: "Token expired"},
	{desc: "parameters alone", text: ";do=stop"},
	{desc: "space before", text: " x;do=stop"},
	{desc: "not UTF-8", text: "\xff\xfe"},
	{desc: "slug too long", text: longestSlug + "a;do=stop"},
	{desc: "unknown parameter", text: "x;trace=abc;do=stop", want: codes.NewReason("x", codes.Stop, 0), ok: true},
	{desc: "any order", text: "x;after=3;do=stop", want: codes.NewReason("x", codes.Stop, 3*time.Second), ok: true},
	{desc: "first counts", text: "x;do=stop;do=refresh;after=1;after=2", want: codes.NewReason("x", codes.Stop, time.Second), ok: true},
	{desc: "first good one counts", text: "x;do=dance;do=stop;after=soon;after=2", want: codes.NewReason("x", codes.Stop, 2*time.Second), ok: true},
	{desc: "empty parameters", text: "x;;do;do=;after;after=;=;", want: codes.NewReason("x", 0, 0), ok: true},
	{desc: "case counts", text: "x;DO=stop;do=STOP", want: codes.NewReason("x", 0, 0), ok: true},
	{desc: "nine digits", text: "x;after=999999999", want: codes.NewReason("x", 0, codes.MaxAfter), ok: true},
	{desc: "ten digits", text: "x;after=1000000000", want: codes.NewReason("x", 0, 0), ok: true},
	{desc: "leading zeros", text: "x;after=007", want: codes.NewReason("x", 0, 7*time.Second), ok: true},
	{desc: "no number", text: "x;after=+5;after=-5;after=5s;after=1_0;after=0x5;after=1.5", want: codes.NewReason("x", 0, 0), ok: true},
	{desc: "any bytes behind a slug", text: "x;\xff\x00=\xfe;do=stop", want: codes.NewReason("x", codes.Stop, 0), ok: true},
}

func TestParseReason(t *testing.T) {
	for _, tc := range parsed {
		t.Run(tc.desc, func(t *testing.T) {
			if got, ok := codes.ParseReason(tc.text); got != tc.want || ok != tc.ok {
				t.Errorf("ParseReason(%q) = %q, %t, want %q, %t", tc.text, got, ok, tc.want, tc.ok)
			}
		})
	}
}

func TestReasonAllocations(t *testing.T) {
	buf := make([]byte, 0, codes.MaxReason)
	allocs := testing.AllocsPerRun(100, func() {
		r := codes.NewReason("rate_limited", 0, 0).WithAction(codes.Backoff).WithAfter(1500 * time.Millisecond)
		buf = r.Append(buf[:0])
	})
	if allocs != 0 {
		t.Errorf("NewReason and Append into a buffer: %v allocs, want 0", allocs)
	}
	if got := string(codes.NewReason("b", 0, 0).Append([]byte("a"))); got != "ab" {
		t.Errorf("Append to what is there gives %q, want %q", got, "ab")
	}
}

// FuzzReason holds the parser to a slow reference, and whatever can be built to the limits of a close frame.
func FuzzReason(f *testing.F) {
	for _, tc := range parsed {
		f.Add(tc.text, uint8(codes.Stop), int64(time.Second))
	}
	f.Add(longestSlug+";do=reconnect;after=999999999", uint8(codes.Reconnect), int64(math.MaxInt64))
	f.Fuzz(func(t *testing.T, text string, do uint8, after int64) {
		r, ok := codes.ParseReason(text)
		if want, wantOK := slowParse(text); r != want || ok != wantOK {
			t.Fatalf("ParseReason(%q) = %q, %t; the reference says %q, %t", text, r, ok, want, wantOK)
		}
		if !ok {
			return
		}
		roundTrip(t, r)
		r = r.WithAction(actions[int(do)%len(actions)]).WithAfter(time.Duration(after))
		if r.After() < min(time.Duration(after), codes.MaxAfter) {
			t.Fatalf("a wait of %v became %v", time.Duration(after), r.After())
		}
		roundTrip(t, r)
	})
}

func roundTrip(t *testing.T, r codes.Reason) {
	t.Helper()
	text := r.String()
	if len(text) > codes.MaxReason {
		t.Fatalf("%q has %d bytes, want at most %d", text, len(text), codes.MaxReason)
	}
	for i := range len(text) {
		if text[i] <= ' ' || text[i] > '~' {
			t.Fatalf("%q is not printable ASCII", text)
		}
	}
	back, ok := codes.ParseReason(text)
	if back != r || !ok {
		t.Fatalf("%q reads back as %q, %t", text, back, ok)
	}
	if again := back.String(); again != text {
		t.Fatalf("%q is written back as %q", text, again)
	}
}

var (
	slowReason = regexp.MustCompile(`(?s)^([a-z][a-z0-9_]{0,63})(?:;(.*))?$`)
	slowDo     = regexp.MustCompile(`^do=(stop|refresh|backoff|reconnect)$`)
	slowAfter  = regexp.MustCompile(`^after=([0-9]{1,9})$`)
)

func slowParse(text string) (codes.Reason, bool) {
	m := slowReason.FindStringSubmatchIndex(text)
	if m == nil {
		return codes.Reason{}, false
	}
	r := codes.NewReason(text[m[2]:m[3]], 0, 0)
	if m[4] < 0 {
		return r, true
	}
	for param := range strings.SplitSeq(text[m[4]:m[5]], ";") {
		if do := slowDo.FindStringSubmatch(param); do != nil && r.Action() == 0 {
			action, _ := codes.ParseAction(do[1])
			r = r.WithAction(action)
		}
		if after := slowAfter.FindStringSubmatch(param); after != nil && r.After() == 0 {
			n, _ := strconv.Atoi(after[1])
			r = r.WithAfter(time.Duration(n) * time.Second)
		}
	}
	return r, true
}
