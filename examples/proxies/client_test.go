package proxies

import (
	"bufio"
	"cmp"
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/wsverdict/wsverdict/upgrade/upgradetest"
)

// A client is one that hides nothing: it sends and reads frames.
type client struct {
	t    *testing.T
	conn net.Conn
	read io.Reader
}

// dialSite reaches the proxies by any name.
func dialSite(ctx context.Context, network, address string) (net.Conn, error) {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	return (&net.Dialer{}).DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
}

// dial opens a WebSocket as a page of origin does, a page of the site itself for "".
func dial(t *testing.T, site, path, origin string) (*client, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testTime)
	defer cancel()
	dialer := ws.Dialer{
		NetDial: dialSite, TLSConfig: insecure,
		Header: ws.HandshakeHeaderHTTP(http.Header{"Origin": {cmp.Or(origin, "https://"+site)}}),
	}
	conn, buffered, _, err := dialer.Dial(ctx, "wss://"+site+path)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(testTime)); err != nil {
		t.Fatal(err)
	}
	if buffered == nil { // nothing came with the 101
		buffered = bufio.NewReader(conn)
	}
	return &client{t, conn, buffered}, nil
}

func mustDial(t *testing.T, site, path, origin string) *client {
	t.Helper()
	c, err := dial(t, site, path, origin)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *client) write(op ws.OpCode, payload []byte) error {
	return ws.WriteFrame(c.conn, ws.MaskFrame(ws.NewFrame(op, true, payload)))
}

func (c *client) send(op ws.OpCode, payload []byte) {
	c.t.Helper()
	if err := c.write(op, payload); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) next() ws.Frame {
	c.t.Helper()
	f, err := upgradetest.ReadFrame(c.read)
	if err != nil {
		c.t.Fatal(err)
	}
	return f
}

// closes reads the server's close frame, answers it, and waits for the end of the stream. A reset is none.
func (c *client) closes(code int, reason string) {
	c.t.Helper()
	f := c.next()
	gotCode, gotReason := ws.ParseCloseFrameData(f.Payload)
	if f.Header.OpCode != ws.OpClose || int(gotCode) != code || gotReason != reason {
		c.t.Fatalf("frame %#x, %d %q; want a close frame with %d %q", f.Header.OpCode, gotCode, gotReason, code, reason)
	}
	c.send(ws.OpClose, f.Payload[:2])
	if n, err := io.Copy(io.Discard, c.read); n != 0 || err != nil {
		c.t.Fatalf("%d bytes and %v behind the close frame, want the end of the stream", n, err)
	}
}
