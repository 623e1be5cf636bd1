package transport_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/wsverdict/wsverdict/upgrade/internal/transport"
)

const patience = time.Minute

func TestTakeAnswerAndHalfClose(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		taken, err := transport.Take(w, r)
		if err != nil {
			t.Error(err)
			return
		}
		early := string(taken.Early())
		if err := taken.Answer(append(taken.Buffer(), "answer to "+early...), time.Now().Add(patience)); err != nil {
			t.Error(err)
		}
		if !transport.CloseWrite(taken.Conn) {
			t.Error("TCP cannot be half-closed")
		}
		rest, err := io.ReadAll(taken.Conn)
		if string(rest) != "more" || err != nil {
			t.Errorf("behind the half-close: %q, %v", rest, err)
		}
		taken.Conn.Close()
	}))
	defer srv.Close()
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\nearly")
	got, err := io.ReadAll(conn)
	if string(got) != "answer to early" || err != nil {
		t.Fatalf("got %q, %v", got, err)
	}
	io.WriteString(conn, "more")
	conn.(*net.TCPConn).CloseWrite()
	if _, err := conn.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
}

func TestTakeNamesTheTypeInTheWay(t *testing.T) {
	type inTheWay struct{ http.ResponseWriter }
	type unwraps struct {
		inTheWay
		unwrapper
	}
	w := inTheWay{httptest.NewRecorder()}
	_, err := transport.Take(unwraps{w, unwrapper{w}}, &http.Request{ProtoMajor: 1})
	var hijack *transport.HijackError
	if !errors.As(err, &hijack) || !errors.Is(err, http.ErrNotSupported) || !strings.Contains(err.Error(), "inTheWay") {
		t.Errorf("got %v", err)
	}
}

type unwrapper struct{ w http.ResponseWriter }

func (u unwrapper) Unwrap() http.ResponseWriter { return u.w }

type brokenConn struct {
	net.Conn
	closed bool
}

func (c *brokenConn) SetDeadline(time.Time) error { return nil }
func (c *brokenConn) Write([]byte) (int, error)   { return 0, io.ErrClosedPipe }
func (c *brokenConn) Close() error                { c.closed = true; return nil }

type hijacker struct {
	http.ResponseWriter
	conn net.Conn
}

func (h hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) { return h.conn, nil, nil }

// TestFailedAnswerCloses: a foreign Hijacker gives no buffers, and the connection breaks.
func TestFailedAnswerCloses(t *testing.T) {
	conn := &brokenConn{}
	taken, err := transport.Take(hijacker{conn: conn}, &http.Request{ProtoMajor: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := taken.Answer(append(taken.Buffer(), "answer"...), time.Now()); !errors.Is(err, io.ErrClosedPipe) || !conn.closed {
		t.Errorf("%v, closed: %v", err, conn.closed)
	}
	if transport.CloseWrite(conn) {
		t.Error("it was half-closed")
	}
}
