package upgrade_test

import (
	"crypto/fips140"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/wsverdict/wsverdict/upgrade"
)

// The handshake needs SHA-1, as a checksum: a process that enforces FIPS 140 must be able to serve
// it all the same.
func TestHandshakeUnderFIPS(t *testing.T) {
	if !fips140.Enforced() {
		cmd := exec.Command(os.Args[0], "-test.run=^TestHandshakeUnderFIPS$", "-test.v")
		cmd.Env = append(os.Environ(), "GODEBUG=fips140=only")
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "--- PASS: TestHandshakeUnderFIPS") {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	c, res := handshake(t, newServer(t, (&upgrade.Upgrader{}).Use(always(expired))(forbidden(t))))
	wantStatus(t, res, http.StatusSwitchingProtocols)
	if got, want := res.Header.Get("Sec-WebSocket-Accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="; got != want { // RFC 6455 §1.3
		t.Errorf("Sec-WebSocket-Accept %q, want %q", got, want)
	}
	c.wantClose(4401, expiredText)
	c.bye()
}
