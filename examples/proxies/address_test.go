package proxies

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/wsverdict/wsverdict/upgrade"
)

// TestClientAddress: chi's middleware finds the client, and not the address that the client made up.
func TestClientAddress(t *testing.T) {
	const client = "127.0.0.2" // not the proxy's
	through(t, func(t *testing.T, p *proxy) {
		site := p.run(t, newServer(t, &upgrade.Upgrader{}))
		from := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(client)}}
		dial := func(ctx context.Context, network, address string) (net.Conn, error) {
			_, port, _ := net.SplitHostPort(address)
			return from.DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
		}
		if l, err := net.Listen("tcp", client+":0"); err != nil {
			t.Skipf("%s is none of this machine's addresses: %v", client, err)
		} else {
			l.Close()
		}
		browser := &http.Client{Transport: &http.Transport{DialContext: dial, TLSClientConfig: insecure, DisableKeepAlives: true}, Timeout: testTime}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+site+"/ws/address", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("X-Forwarded-For", "203.0.113.9")
		response, err := browser.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if got, err := io.ReadAll(response.Body); err != nil || string(got) != client {
			t.Errorf("client address %q (%v), want %q", got, err, client)
		}
	})
}
