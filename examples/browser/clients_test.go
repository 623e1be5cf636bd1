package browser

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"

	coder "github.com/coder/websocket"
	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	gorilla "github.com/gorilla/websocket"
	"github.com/lxzan/gws"
)

// A client connects over conn, sends what it is given (nil for nothing), reads until the server closes, and leaves as its
// documentation says.
type client func(ctx context.Context, conn *witness, url string, send []byte) (code int, reason string, err error)

// TestClientsAgree has the same denial read by four libraries. Each must know code and reason, and see the stream end with a FIN, not
// with a reset, though the server never read what it was sent.
func TestClientsAgree(t *testing.T) {
	server := newServer(t, false)
	addr := server.Listener.Addr().String()
	for _, lib := range []struct {
		name string
		read client
	}{
		{"gorilla", readGorilla},
		{"coder", readCoder},
		{"gws", readGWS},
		{"gobwas", readGobwas},
	} {
		for _, row := range []struct {
			name, path string
			send       []byte
		}{
			{"refused, silent", "/refused", nil},
			{"refused, 64 KB unread", "/refused", make([]byte, 64<<10)},
			{"session ended, 64 KB unread", "/ended", make([]byte, 64<<10)},
		} {
			t.Run(lib.name+"/"+row.name, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), testTime)
				defer cancel()
				conn, err := dialWitness(addr)
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				code, reason, err := lib.read(ctx, conn, "ws://"+addr+row.path, row.send)
				if err != nil {
					t.Fatal(err)
				}
				if code != wantCode || reason != wantReason {
					t.Errorf("read %d %q, want %d %q", code, reason, wantCode, wantReason)
				}
				if end := conn.ended(); end != io.EOF {
					t.Errorf("the stream ended with %v, want %v", end, io.EOF)
				}
			})
		}
	}
}

// errNoClose is what a client makes of a server that did not close as it should.
func errNoClose(err error) error { return fmt.Errorf("no close frame: %w", err) }

func readGorilla(ctx context.Context, conn *witness, url string, send []byte) (int, string, error) {
	dialer := gorilla.Dialer{NetDialContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil }}
	c, _, err := dialer.DialContext(ctx, url, nil)
	if err != nil {
		return 0, "", err
	}
	defer c.Close()
	if send != nil {
		if err := c.WriteMessage(gorilla.BinaryMessage, send); err != nil {
			return 0, "", err
		}
	}
	_, _, err = c.ReadMessage()
	var closed *gorilla.CloseError
	if !errors.As(err, &closed) {
		return 0, "", errNoClose(err)
	}
	return closed.Code, closed.Text, nil
}

func readCoder(ctx context.Context, conn *witness, url string, send []byte) (int, string, error) {
	transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil }}
	c, _, err := coder.Dial(ctx, url, &coder.DialOptions{HTTPClient: &http.Client{Transport: transport}})
	if err != nil {
		return 0, "", err
	}
	defer c.CloseNow()
	if send != nil {
		if err := c.Write(ctx, coder.MessageBinary, send); err != nil {
			return 0, "", err
		}
	}
	_, _, err = c.Read(ctx)
	var closed coder.CloseError
	if !errors.As(err, &closed) {
		return 0, "", errNoClose(err)
	}
	return int(closed.Code), closed.Reason, nil
}

// A gwsEnd keeps what gws says of the end.
type gwsEnd struct {
	gws.BuiltinEventHandler
	err error
}

func (e *gwsEnd) OnClose(_ *gws.Conn, err error) { e.err = err }

func readGWS(_ context.Context, conn *witness, url string, send []byte) (int, string, error) {
	var end gwsEnd
	c, _, err := gws.NewClientFromConn(&end, &gws.ClientOption{Addr: url, HandshakeTimeout: testTime}, conn)
	if err != nil {
		return 0, "", err
	}
	if send != nil {
		if err := c.WriteMessage(gws.OpcodeBinary, send); err != nil {
			return 0, "", err
		}
	}
	c.ReadLoop() // closes
	var closed *gws.CloseError
	if !errors.As(end.err, &closed) {
		return 0, "", errNoClose(end.err)
	}
	return int(closed.Code), string(closed.Reason), nil
}

func readGobwas(ctx context.Context, conn *witness, url string, send []byte) (int, string, error) {
	dialer := ws.Dialer{NetDial: func(context.Context, string, string) (net.Conn, error) { return conn, nil }}
	c, early, _, err := dialer.Dial(ctx, url)
	if err != nil {
		return 0, "", err
	}
	defer c.Close()
	if send != nil {
		if err := wsutil.WriteClientBinary(c, send); err != nil {
			return 0, "", err
		}
	}
	from := io.Reader(c)
	if early != nil { // the close frame came with the 101
		defer ws.PutReader(early)
		from = early
	}
	_, _, err = wsutil.ReadServerData(struct {
		io.Reader
		io.Writer
	}{from, c})
	var closed wsutil.ClosedError
	if !errors.As(err, &closed) {
		return 0, "", errNoClose(err)
	}
	return int(closed.Code), closed.Reason, nil
}
