// Package http2 shows that WebSocket over HTTP/2 (RFC 8441) has the same verdicts and sessions as over HTTP/1.1: to browsers, and to
// clients that send what browsers never would.
package http2

import (
	"os"
	"testing"

	"github.com/wsverdict/wsverdict/examples/internal/chrome"
	"github.com/wsverdict/wsverdict/upgrade/upgradetest"
)

func TestMain(m *testing.M) {
	if os.Getenv(serverOnly) != "" {
		serveAlone()
		return
	}
	os.Exit(upgradetest.HTTP2(func() int {
		defer func() { stopFirefox() }()
		return chrome.Main(m)
	}))
}
