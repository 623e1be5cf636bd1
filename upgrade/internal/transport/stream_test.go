package transport_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsverdict/wsverdict/upgrade/internal/transport"
)

// A fakeStream is net/http's side of a stream: its writer, and the request's body. It fails the test if it is used when its handler
// has returned.
type fakeStream struct {
	t *testing.T

	mu       sync.Mutex
	changed  sync.Cond
	stalled  bool // a flush waits
	deaf     bool // and for a reset too
	wrote    []byte
	body     []byte
	bodyErr  error
	reset    bool
	returned bool
	header   http.Header
	status   int
}

func newFakeStream(t *testing.T) *fakeStream {
	f := &fakeStream{t: t, header: http.Header{}}
	f.changed.L = &f.mu
	return f
}

func (f *fakeStream) use() func() {
	f.mu.Lock()
	if f.returned {
		f.t.Error("used when the handler had returned")
	}
	return func() {
		f.changed.Broadcast()
		f.mu.Unlock()
	}
}

func (f *fakeStream) set(change func()) { defer f.use()(); change() }

func (f *fakeStream) Header() http.Header    { return f.header }
func (f *fakeStream) WriteHeader(status int) { defer f.use()(); f.status = status }

func (f *fakeStream) Write(p []byte) (int, error) {
	defer f.use()()
	f.wrote = append(f.wrote, p...)
	return len(p), nil
}

func (f *fakeStream) FlushError() error {
	defer f.use()()
	for f.stalled && (f.deaf || !f.reset) {
		f.changed.Wait()
	}
	if f.reset {
		return errors.New("stream closed")
	}
	return nil
}

func (f *fakeStream) SetReadDeadline(at time.Time) error {
	defer f.use()()
	if !at.IsZero() && f.bodyErr == nil {
		f.bodyErr = os.ErrDeadlineExceeded
	}
	return nil
}

func (f *fakeStream) SetWriteDeadline(at time.Time) error {
	defer f.use()()
	f.reset = f.reset || !at.IsZero()
	return nil
}

func (f *fakeStream) Read(p []byte) (int, error) {
	defer f.use()()
	for len(f.body) == 0 && f.bodyErr == nil {
		f.changed.Wait()
	}
	if len(f.body) == 0 {
		return 0, f.bodyErr
	}
	n := copy(p, f.body)
	f.body = f.body[n:]
	return n, nil
}

func (f *fakeStream) Close() error { return nil } // as a wrapper does that keeps it to itself

func (f *fakeStream) taken(t *testing.T) transport.Taken {
	t.Helper()
	r := httptest.NewRequest("CONNECT", "https://example.com/ws", nil)
	r.ProtoMajor, r.Body = 2, f
	taken, err := transport.Take(f, r)
	if err != nil {
		t.Fatal(err)
	}
	return taken
}

// take has the handler stay, and returns the connection and a channel that is closed when the handler has returned.
func (f *fakeStream) take(t *testing.T) (transport.Taken, <-chan struct{}) {
	t.Helper()
	taken := f.taken(t)
	returned := make(chan struct{})
	go func() {
		defer close(returned)
		taken.Stay()
		f.mu.Lock()
		defer f.mu.Unlock()
		f.returned = true
	}()
	return taken, returned
}

func wantError(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}

func TestStreamAnswersAndReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeStream(t)
		taken, returned := f.take(t)
		if err := taken.Answer([]byte("frames"), time.Now().Add(time.Second)); err != nil || f.status != 200 || string(f.wrote) != "frames" {
			t.Errorf("%v, status %d, %q", err, f.status, f.wrote)
		}
		conn := taken.Conn
		if transport.CloseWrite(conn) || transport.ProtoMajor(conn) != 2 || conn.RemoteAddr().String() != "192.0.2.1:1234" {
			t.Error("half-closed, or no HTTP/2, or", conn.RemoteAddr())
		}
		buf := make([]byte, 3)
		f.set(func() { f.body = []byte("hello") })
		for _, want := range []string{"hel", "lo"} {
			if n, err := conn.Read(buf); string(buf[:n]) != want || err != nil {
				t.Errorf("got %q, %v", buf[:n], err)
			}
		}
		// A deadline that has passed can be moved: the stream is as it was.
		conn.SetReadDeadline(time.Now().Add(time.Second))
		_, err := conn.Read(buf)
		wantError(t, "behind the deadline", err, os.ErrDeadlineExceeded)
		conn.SetReadDeadline(time.Time{})
		f.set(func() { f.body, f.bodyErr = []byte("x"), io.EOF })
		if n, err := conn.Read(buf); n != 1 || err != nil {
			t.Errorf("got %d, %v", n, err)
		}
		_, err = conn.Read(buf)
		wantError(t, "at the end", err, io.EOF)
		conn.Close()
		<-returned
	})
}

// TestStreamOutlivesNobody: whoever uses the writer, the handler stays for it; who waits does not.
func TestStreamOutlivesNobody(t *testing.T) {
	for name, tc := range map[string]struct {
		end  func(conn net.Conn)
		want error
	}{
		"deadline":        {func(conn net.Conn) { conn.SetWriteDeadline(time.Now().Add(time.Second)) }, os.ErrDeadlineExceeded},
		"deadline passed": {func(conn net.Conn) { conn.SetWriteDeadline(time.Unix(1, 0)) }, os.ErrDeadlineExceeded},
		"deadline brought forward": {func(conn net.Conn) {
			conn.SetWriteDeadline(time.Now().Add(time.Hour))
			conn.SetWriteDeadline(time.Now().Add(time.Second))
		}, os.ErrDeadlineExceeded},
		"close": {func(conn net.Conn) { conn.Close() }, net.ErrClosed},
	} {
		for _, deaf := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, deaf %v", name, deaf), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := newFakeStream(t)
					taken, returned := f.take(t)
					conn := taken.Conn
					f.set(func() { f.stalled, f.deaf = true, deaf })
					failed := make(chan error)
					go func() { _, err := conn.Write(make([]byte, 100_000)); failed <- err }()
					synctest.Wait()
					start := time.Now()
					tc.end(conn)
					wantError(t, "Write", <-failed, tc.want)
					if time.Since(start) > time.Second {
						t.Errorf("after %v", time.Since(start))
					}
					if len(f.wrote) > 16<<10 {
						t.Errorf("%d bytes were handed over at once", len(f.wrote))
					}
					_, err := conn.Write([]byte("more"))
					wantError(t, "another Write", err, tc.want)
					conn.Close()
					_, err = conn.Read(make([]byte, 1))
					wantError(t, "Read", err, net.ErrClosed)
					synctest.Wait()
					select {
					case <-returned:
						if deaf {
							t.Error("the handler has returned under a flush")
						}
					default:
						if !deaf {
							t.Error("the handler has not returned")
						}
					}
					f.mu.Lock()
					f.stalled = false
					f.changed.Broadcast()
					f.mu.Unlock()
					<-returned
				})
			})
		}
	}
}

// A reset is an error in the form of net/http's own.
type reset struct {
	StreamID, Code uint32
	Cause          error
}

func (r reset) Error() string { return "reset" }

// As sets any struct with the same fields.
func (r reset) As(target any) bool {
	v := reflect.ValueOf(target).Elem()
	if v.Kind() != reflect.Struct || !reflect.TypeOf(r).ConvertibleTo(v.Type()) {
		return false
	}
	v.Set(reflect.ValueOf(r).Convert(v.Type()))
	return true
}

// TestStreamWriteExplains: the body says why a write has failed, be it read before or behind the write, or not at all
// where the handler itself writes the answer.
func TestStreamWriteExplains(t *testing.T) {
	for _, reads := range []string{"before", "behind", "never"} {
		t.Run(reads, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFakeStream(t)
				f.reset, f.bodyErr = true, reset{StreamID: 1, Code: 8}
				taken := f.taken(t)
				if reads == "never" {
					var lost *net.OpError
					if err := taken.Answer([]byte("frames"), time.Now().Add(time.Second)); !errors.As(err, &lost) {
						t.Errorf("got %T %v", err, err)
					}
					return
				}
				stay := func() {
					go taken.Stay()
					synctest.Wait()
				}
				if reads == "before" {
					stay()
				}
				failed := make(chan error, 1)
				go func() { _, err := taken.Conn.Write([]byte("news")); failed <- err }()
				synctest.Wait()
				if reads == "behind" {
					stay()
				}
				var why *transport.StreamError
				if err := <-failed; !errors.As(err, &why) || why.Code != 8 {
					t.Errorf("got %T %v", err, err)
				}
				taken.Conn.Close()
			})
		})
	}
}

// TestStreamDeadlineWhileNobodyWrites: it is for who writes, as a socket's; a later one stands in its place.
func TestStreamDeadlineWhileNobodyWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeStream(t)
		taken, returned := f.take(t)
		conn := taken.Conn
		conn.SetDeadline(time.Now().Add(time.Second))
		time.Sleep(2 * time.Second)
		_, err := conn.Write([]byte("late"))
		wantError(t, "late", err, os.ErrDeadlineExceeded)
		conn.SetDeadline(time.Time{})
		if _, err := conn.Write([]byte("on")); err != nil || string(f.wrote) != "on" || f.reset {
			t.Errorf("%v, %q, reset %v", err, f.wrote, f.reset)
		}
		conn.Close()
		wantError(t, "a second Close", conn.Close(), net.ErrClosed)
		wantError(t, "SetDeadline", conn.SetDeadline(time.Now()), net.ErrClosed)
		<-returned
	})
}

// TestStreamBackpressure: what nobody takes is not read, beyond one piece.
func TestStreamBackpressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeStream(t)
		taken, returned := f.take(t)
		f.set(func() { f.body = make([]byte, 100_000) })
		synctest.Wait()
		if left := len(f.body); left < 100_000-16<<10 {
			t.Errorf("%d bytes are left", left)
		}
		f.set(func() { f.bodyErr = io.EOF })
		if n, err := io.Copy(io.Discard, taken.Conn); n != 100_000 || err != nil {
			t.Errorf("read %d, %v", n, err)
		}
		taken.Conn.Close()
		<-returned
	})
}

// TestStreamBodyPanics: a middleware's body that panics ends the stream, and nothing else.
func TestStreamBodyPanics(t *testing.T) {
	f := newFakeStream(t)
	r := httptest.NewRequest("CONNECT", "https://example.com/ws", nil)
	r.ProtoMajor, r.Body, r.RemoteAddr = 2, panics{}, "unknown"
	taken, err := transport.Take(f, r)
	if err != nil {
		t.Fatal(err)
	}
	if addr := taken.Conn.RemoteAddr(); addr.String() != "unknown" || addr.Network() != "tcp" {
		t.Errorf("from %v", addr)
	}
	go func() {
		if _, err := taken.Conn.Read(make([]byte, 1)); err == nil {
			t.Error("no error")
		}
		taken.Conn.Close()
	}()
	taken.Stay()
}

type panics struct{ io.ReadCloser }

func (panics) Read([]byte) (int, error) { panic("of a middleware's") }
