package origin_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/wsverdict/wsverdict/upgrade/internal/origin"
	"github.com/wsverdict/wsverdict/upgrade/internal/reference"
)

var originTable = []struct {
	text string
	want origin.Origin // zero: malformed
}{
	{"https://app.example.com", origin.Origin{Scheme: "https", Host: "app.example.com", Port: 443}},
	{"http://app.example.com", origin.Origin{Scheme: "http", Host: "app.example.com", Port: 80}},
	{"https://app.example.com:443", origin.Origin{Scheme: "https", Host: "app.example.com", Port: 443}},
	{"https://app.example.com:08443", origin.Origin{Scheme: "https", Host: "app.example.com", Port: 8443}},
	{"http://localhost:65535", origin.Origin{Scheme: "http", Host: "localhost", Port: 65535}},
	{"HTTPS://App.EXAMPLE.com", origin.Origin{Scheme: "https", Host: "app.example.com", Port: 443}},
	{"https://app.example.com.", origin.Origin{Scheme: "https", Host: "app.example.com", Port: 443}},
	{"https://xn--bcher-kva.example", origin.Origin{Scheme: "https", Host: "xn--bcher-kva.example", Port: 443}},
	{"https://my_host", origin.Origin{Scheme: "https", Host: "my_host", Port: 443}},
	{"http://127.0.0.1:8080", origin.Origin{Scheme: "http", Host: "127.0.0.1", Port: 8080}},
	{"http://[::1]:8080", origin.Origin{Scheme: "http", Host: "[::1]", Port: 8080}},
	{"http://[0:0::0:1]", origin.Origin{Scheme: "http", Host: "[::1]", Port: 80}},
	{"http://[2001:DB8::A]", origin.Origin{Scheme: "http", Host: "[2001:db8::a]", Port: 80}},
	{"wss://a", origin.Origin{Scheme: "wss", Host: "a", Port: 443}},
	{"chrome-extension://abcdef", origin.Origin{Scheme: "chrome-extension", Host: "abcdef"}},
	{text: ""}, {text: "null"}, {text: "*"}, {text: "https://"}, {text: "https:"}, {text: "app.example.com"}, {text: "//app.example.com"},
	{text: "https://app.example.com/"}, {text: "https://app.example.com/x"}, {text: "https://app.example.com?"},
	{text: "https://app.example.com#"}, {text: "https://u@app.example.com"}, {text: "https://app.example.com:"},
	{text: "https://app.example.com:0"}, {text: "https://app.example.com:65536"}, {text: "https://app.example.com:http"},
	{text: "https://app.example.com:+80"}, {text: "https://app.example.com:443:443"}, {text: " https://app.example.com"},
	{text: "https://app.example.com "}, {text: "https://app.example.com\x00"}, {text: "https://app example.com"},
	{text: "https://app..example.com"}, {text: "https://.example.com"}, {text: "https://example.com.."}, {text: "https://."},
	{text: "https://*.example.com"}, {text: "https://app%2eexample.com"}, {text: "https://bücher.example"},
	{text: "https://[::1"}, {text: "https://::1"}, {text: "https://[::1]x"}, {text: "https://[::1]80"}, {text: "https://[127.0.0.1]"},
	{text: "https://[fe80::1%25eth0]"}, {text: "https://[fe80::1%eth0]"}, {text: "https://[]"}, {text: "1https://a"}, {text: "ht tp://a"},
	{text: "https://a, https://b"}, {text: "https://a\\b"}, {text: "https:///a"}, {text: "https://" + strings.Repeat("a", 254)},
}

func TestParse(t *testing.T) {
	for _, tc := range originTable {
		got, err := origin.Parse(tc.text)
		if got != tc.want || (err == nil) != (tc.want != origin.Origin{}) {
			t.Errorf("ParseOrigin(%q): got %+v, %v, want %+v", tc.text, got, err, tc.want)
		}
	}
}

func TestParseAllocations(t *testing.T) {
	for _, s := range []string{"https://app.example.com", "http://[::1]:8080"} {
		if n := testing.AllocsPerRun(100, func() { origin.Parse(s) }); n != 0 {
			t.Errorf("ParseOrigin(%q): %v allocations", s, n)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, tc := range originTable {
		f.Add(tc.text)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := origin.Parse(s)
		want, ok := reference.ParseOrigin(s)
		if (err == nil) != ok || ok && got != want {
			t.Fatalf("ParseOrigin(%q): got %+v, %v, want %+v, %v", s, got, err, want, ok)
		}
		if ok {
			normal := got.Scheme + "://" + got.Host
			if got.Port != 0 {
				normal += ":" + strconv.Itoa(int(got.Port))
			}
			if again, err := origin.Parse(normal); err != nil || again != got {
				t.Fatalf("ParseOrigin(%q): got %+v, %v, want %+v: the normal form of %q", normal, again, err, got, s)
			}
		}
	})
}

// The short way finds nothing that the long one would not.
func TestSameTextAgreesWithParse(t *testing.T) {
	for _, host := range []string{"app.example.com", "app.example.com:8443", "app.example.com.", "[::1]:8080", "a_b", "",
		"a..b", ".a", "a b", "a:", "a:0", "a:99999", "user@a", "a/b", "ü", "[::1", "[::1%25eth0]", "a,b", "a:1:2"} {
		for _, scheme := range []string{"http://", "https://", "ftp://", "HTTPS://", ""} {
			o, err := origin.Parse(scheme + host)
			at, ok := origin.ParseAuthority(host)
			if same := err == nil && ok && o.SameAs(at); origin.SameText(scheme+host, host) && !same {
				t.Errorf("%s%s is the same in text alone", scheme, host)
			}
		}
	}
}
