package upgrade_test

import (
	"testing"

	"github.com/wsverdict/wsverdict/upgrade"
)

// TestSameOrigin asks twice: once about an admission, once about a denial, which must not be
// upgraded either.
func TestSameOrigin(t *testing.T) {
	open := &upgrade.Upgrader{}
	named := &upgrade.Upgrader{Hosts: []string{"App.example.com", "localhost:8080", "tls.example.com:443", "[::1]"}}
	unsafe := &upgrade.Upgrader{InsecureAnyOrigin: true}
	for _, tc := range []struct {
		name   string
		up     *upgrade.Upgrader
		host   string
		origin string // "" sends none
		vetted bool
	}{
		{"no Origin", open, "example.com", "", true},
		{"equal", open, "example.com", "https://example.com", true},
		{"TLS ended before us", open, "example.com", "http://example.com", true},
		{"equal with port", open, "example.com:8443", "https://example.com:8443", true},
		{"Host with the default port", open, "example.com:443", "https://example.com", true},
		{"Origin with the default port", open, "example.com", "https://example.com:443", true},
		{"default port of the other scheme", open, "example.com:443", "http://example.com", false},
		{"other port", open, "example.com:8443", "https://example.com", false},
		{"upper case", open, "EXAMPLE.com", "https://Example.COM", true},
		{"trailing dot", open, "example.com.", "https://example.com", true},
		{"IPv6", open, "[::1]:8080", "http://[::1]:8080", true},
		{"IPv6, spelt otherwise", open, "[0:0::1]", "http://[::1]", true},
		{"IPv4", open, "127.0.0.1:8080", "http://127.0.0.1:8080", true},
		{"subdomain", open, "example.com", "https://app.example.com", false},
		{"suffix", open, "example.com", "https://evilexample.com", false},
		{"prefix", open, "example.com", "https://example.com.evil", false},
		{"userinfo", open, "example.com", "https://evil@example.com", false},
		{"path", open, "example.com", "https://example.com/", false},
		{"other scheme", open, "example.com", "chrome-extension://example.com", false},
		{"scheme in upper case", open, "example.com", "HTTPS://example.com", true},
		{"null", open, "example.com", "null", false},
		{"null from a host of that name", open, "null", "null", false},
		{"no scheme", open, "example.com", "example.com", false},
		{"empty", open, "example.com", " ", false},

		{"own name", named, "app.example.com", "https://app.example.com", true},
		{"own name, any port", named, "app.example.com:9000", "https://app.example.com:9000", true},
		{"own name and port", named, "localhost:8080", "http://localhost:8080", true},
		{"own name, other port", named, "localhost:8081", "http://localhost:8081", false},
		{"own name, default port named", named, "tls.example.com", "https://tls.example.com", true},
		{"own name, default port named and sent", named, "tls.example.com:443", "https://tls.example.com", true},
		{"own name, default port of the other scheme", named, "tls.example.com", "http://tls.example.com", false},
		{"own address", named, "[::1]:1", "http://[::1]:1", true},
		{"DNS rebinding", named, "evil.example", "https://evil.example", false},
		{"DNS rebinding without Origin", named, "evil.example", "", true},

		{"any", unsafe, "example.com", "https://evil.example", true},
		{"any, null", unsafe, "example.com", "null", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			origin := "Origin: " + tc.origin
			if tc.origin == "" {
				origin = "-Origin"
			}
			admit, deny := 403, 401
			if tc.vetted {
				admit, deny = 101, 101
			}
			_, res := handshake(t, newServer(t, tc.up.Handler(run(idle))), "Host: "+tc.host, origin)
			wantStatus(t, res, admit)
			_, res = handshake(t, newServer(t, tc.up.Use(always(expired))(forbidden(t))), "Host: "+tc.host, origin)
			wantStatus(t, res, deny)
		})
	}
}

func TestTwoOriginLines(t *testing.T) {
	up := &upgrade.Upgrader{}
	own := up.Origin(upgrade.OriginCheck{SameOrigin: true})
	for name, tc := range map[string]struct {
		addr string
		want int
	}{
		"endpoint": {newServer(t, up.Handler(run(idle))), 403},
		"denial":   {newServer(t, up.Use(always(expired))(forbidden(t))), 401},
		"link":     {newServer(t, own(forbidden(t))), 403},
	} {
		for _, second := range []string{"http://example.com", "https://evil.example", "null"} {
			_, res := handshake(t, tc.addr, "+Origin: "+second)
			if res.StatusCode != tc.want {
				t.Errorf("%s, second line %s: got %s, want %d", name, second, res.Status, tc.want)
			}
		}
	}
}
