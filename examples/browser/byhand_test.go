package browser

import (
	"net/http"

	"github.com/gobwas/ws"
)

// byHand closes as one would without the library: it accepts, looks something up until the client has begun to send, then
// close frame and Close. It shows that the tests have something to find: the kernel answers what is unread with a reset, which
// overtakes the frame.
func byHand(w http.ResponseWriter, r *http.Request) {
	conn, _, _, err := ws.HTTPUpgrader{}.Upgrade(r, w)
	if err != nil {
		return
	}
	_, _ = conn.Read(make([]byte, 1))
	_ = ws.WriteFrame(conn, ws.NewCloseFrame(ws.NewCloseFrameBody(wantCode, wantReason)))
	_ = conn.Close()
}
