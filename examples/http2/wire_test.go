package http2

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"strconv"
	"testing"

	"github.com/gobwas/ws"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/wsverdict/wsverdict/upgrade/upgradetest"
)

// A wire is a client's end of an HTTP/2 connection, in frames. It acknowledges settings, answers pings and gives back the windows of what
// it has read, and does nothing else by itself; it reads only while a test waits for something. What it meets instead of what it wants fails the test.
type wire struct {
	t       testing.TB
	conn    net.Conn
	framer  *http2.Framer
	head    bytes.Buffer
	encoder *hpack.Encoder
	streams map[uint32]*stream
	goaway  *http2.GoAwayFrame
	pongs   int
}

// A stream has what came on it and nobody has looked at.
type stream struct {
	w      *wire
	id     uint32
	header map[string]string
	data   bytes.Buffer
	ended  bool // END_STREAM
	reset  *http2.ErrCode
	full   bool // its window is not given back
}

// connect opens a connection, by TLS where the server has it. The settings are the client's.
func connect(t testing.TB, srv *httptest.Server, settings ...http2.Setting) *wire {
	t.Helper()
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return speak(t, srv.TLS != nil, conn, settings...)
}

func speak(t testing.TB, secure bool, conn net.Conn, settings ...http2.Setting) *wire {
	t.Helper()
	t.Cleanup(func() { conn.Close() })
	deadline(t, conn)
	if secure {
		conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}}) // the test's own server
	}
	w := &wire{t: t, conn: conn, framer: http2.NewFramer(conn, conn), streams: map[uint32]*stream{}}
	w.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	w.framer.AllowIllegalWrites = true
	w.encoder = hpack.NewEncoder(&w.head)
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	w.must(w.framer.WriteSettings(settings...))
	frame, err := w.framer.ReadFrame()
	w.must(err)
	first, ok := frame.(*http2.SettingsFrame)
	if !ok {
		t.Fatalf("the server begins with %v", frame)
	}
	if enabled, _ := first.Value(http2.SettingEnableConnectProtocol); enabled != 1 {
		t.Fatal("the server does not announce extended CONNECT")
	}
	w.must(w.framer.WriteSettingsAck())
	return w
}

func (w *wire) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal("client:", err)
	}
}

// fields of an extended CONNECT to /ws, in order, with changes: names and values, a value "" removes, others are added at the end.
func (w *wire) fields(target string, changes ...string) []string {
	list := []string{
		":method", "CONNECT", ":protocol", "websocket", ":scheme", "https", ":path", target, ":authority", w.conn.RemoteAddr().String(),
		"sec-websocket-version", "13",
	}
next:
	for i := 0; i < len(changes); i += 2 {
		for at := 0; at < len(list); at += 2 {
			if list[at] != changes[i] {
				continue
			}
			if list[at+1] = changes[i+1]; changes[i+1] == "" {
				list = append(list[:at], list[at+2:]...)
			}
			continue next
		}
		list = append(list, changes[i], changes[i+1])
	}
	return list
}

// open sends a handshake on the next stream.
func (w *wire) open(target string, changes ...string) *stream {
	w.t.Helper()
	s := &stream{w: w, id: uint32(2*len(w.streams) + 1), header: map[string]string{}}
	w.streams[s.id] = s
	s.headers(false, w.fields(target, changes...)...)
	return s
}

func (s *stream) headers(end bool, fields ...string) {
	s.w.t.Helper()
	s.w.head.Reset()
	for i := 0; i < len(fields); i += 2 {
		s.w.must(s.w.encoder.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]}))
	}
	s.w.must(s.w.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: s.id, BlockFragment: s.w.head.Bytes(), EndStream: end, EndHeaders: true}))
}

// read takes in one frame.
func (w *wire) read() error {
	frame, err := w.framer.ReadFrame()
	if err != nil {
		return err
	}
	s := w.streams[frame.Header().StreamID]
	switch f := frame.(type) {
	case *http2.SettingsFrame:
		if !f.IsAck() {
			return w.framer.WriteSettingsAck()
		}
	case *http2.PingFrame:
		if !f.IsAck() {
			return w.framer.WritePing(true, f.Data)
		}
		w.pongs++
	case *http2.GoAwayFrame:
		w.goaway = f
	case *http2.MetaHeadersFrame:
		for _, field := range f.Fields {
			s.header[field.Name] = field.Value
		}
		s.ended = f.StreamEnded()
	case *http2.DataFrame:
		s.data.Write(f.Data())
		s.ended = f.StreamEnded()
		if n := f.Length; n > 0 && !s.ended && !s.full {
			if err := errors.Join(w.framer.WriteWindowUpdate(0, n), w.framer.WriteWindowUpdate(s.id, n)); err != nil {
				return err
			}
		}
	case *http2.RSTStreamFrame:
		code := f.ErrCode
		s.reset = &code
	}
	return nil
}

// await reads until it has come to something.
func (w *wire) await(what string, ok func() bool) {
	w.t.Helper()
	for !ok() {
		if err := w.read(); err != nil {
			w.t.Fatalf("waiting for %s: %v", what, err)
		}
	}
}

// end reads until the server closes the connection.
func (w *wire) end() {
	w.t.Helper()
	for {
		err := w.read()
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			w.t.Fatal("the connection was never closed")
		}
		if err != nil {
			return
		}
	}
}

// gone reports that nothing more can come on the stream.
func (s *stream) gone() bool { return s.ended || s.reset != nil }

func (s *stream) wantStatus(status int) {
	s.w.t.Helper()
	s.w.await("a response", func() bool { return s.header[":status"] != "" || s.gone() })
	if got := s.header[":status"]; got != strconv.Itoa(status) {
		s.w.t.Fatalf("got status %q, reset %v, want %d", got, s.reset, status)
	}
}

func (s *stream) wantReset(code http2.ErrCode) {
	s.w.t.Helper()
	s.w.await("a reset", s.gone)
	if s.reset == nil || *s.reset != code {
		s.w.t.Fatalf("got reset %v, want %v", s.reset, code)
	}
}

// data sends bytes in one DATA frame.
func (s *stream) send(p []byte, end bool) {
	s.w.t.Helper()
	s.w.must(s.w.framer.WriteData(s.id, end, p))
}

// say sends a WebSocket frame.
func (s *stream) say(f ws.Frame) {
	s.w.t.Helper()
	s.send(ws.MustCompileFrame(ws.MaskFrame(f)), false)
}

// frame reads a WebSocket frame.
func (s *stream) frame() (f ws.Frame) {
	s.w.t.Helper()
	s.w.await("a frame", func() bool {
		var err error
		f, err = upgradetest.ReadFrame(bytes.NewReader(s.data.Bytes()))
		return err == nil || s.gone()
	})
	f, err := upgradetest.ReadFrame(&s.data)
	if err != nil {
		s.w.t.Fatalf("no frame: %v, reset %v", err, s.reset)
	}
	return f
}

func (s *stream) wantClose(code ws.StatusCode) {
	s.w.t.Helper()
	f := s.frame()
	if got, reason := ws.ParseCloseFrameData(f.Payload); f.Header.OpCode != ws.OpClose || got != code {
		s.w.t.Fatalf("got %+v, %d %q, want a close with %d", f.Header, got, reason, code)
	}
}

// echo wants a text back.
func (s *stream) echo(text string) {
	s.w.t.Helper()
	s.say(ws.NewTextFrame([]byte(text)))
	if f := s.frame(); f.Header.OpCode != ws.OpText || string(f.Payload) != text {
		s.w.t.Fatalf("got %+v %q", f.Header, f.Payload)
	}
}

// bye answers a close frame, and wants the stream to end well.
func (s *stream) bye() {
	s.w.t.Helper()
	s.say(ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusNormalClosure, "")))
	s.w.await("END_STREAM", func() bool { return s.ended })
	if s.data.Len() > 0 {
		s.w.t.Fatalf("%d more bytes", s.data.Len())
	}
}

func (s *stream) rst(code http2.ErrCode) {
	s.w.t.Helper()
	s.w.must(s.w.framer.WriteRSTStream(s.id, code))
}

func field(name, value string) hpack.HeaderField { return hpack.HeaderField{Name: name, Value: value} }

// ping waits for the server's answer to a ping.
func (w *wire) ping() {
	w.t.Helper()
	w.pongs = 0
	w.must(w.framer.WritePing(false, [8]byte{}))
	w.await("a pong", func() bool { return w.pongs > 0 })
}
