package otelupgrade

import (
	"bufio"
	"io"
	"net"
	"net/http"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
)

// NewHandler is [otelhttp.NewHandler] with the right status of an upgrade. See [NewMiddleware].
func NewHandler(handler http.Handler, operation string, opts ...otelhttp.Option) http.Handler {
	return NewMiddleware(operation, opts...)(handler)
}

// NewMiddleware is [otelhttp.NewMiddleware], but its span and its metrics say 101 of a connection
// that was taken over (hijacked), by whichever library. otelhttp alone says 200: the 101 is written
// to the connection, past its [http.ResponseWriter]. A request that does not ask for an upgrade
// meets otelhttp alone.
func NewMiddleware(operation string, opts ...otelhttp.Option) func(http.Handler) http.Handler {
	instrument := otelhttp.NewMiddleware(operation, opts...)
	return func(next http.Handler) http.Handler {
		instrumented := instrument(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if asksForUpgrade(r) {
				w = &inner{writer{w}}
			}
			next.ServeHTTP(w, r)
		}))
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if asksForUpgrade(r) {
				w = &outer{writer: writer{w}}
			}
			instrumented.ServeHTTP(w, r)
		})
	}
}

func asksForUpgrade(r *http.Request) bool { return len(r.Header["Upgrade"]) > 0 }

// inner stands inside otelhttp and tells it of a connection that was taken over.
type inner struct{ writer }

func (w *inner) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buf, err := w.writer.Hijack()
	if err == nil {
		w.WriteHeader(http.StatusSwitchingProtocols)
	}
	return conn, buf, err
}

// outer stands around otelhttp and keeps that from net/http, which complains about headers of what
// it does not have any more.
type outer struct {
	writer
	hijacked bool
}

func (w *outer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buf, err := w.writer.Hijack()
	w.hijacked = err == nil
	return conn, buf, err
}

func (w *outer) WriteHeader(status int) {
	if w.hijacked && status == http.StatusSwitchingProtocols {
		return
	}
	w.writer.WriteHeader(status)
}

// A writer passes on what net/http's can do under HTTP/1, the only one with an Upgrade field.
type writer struct{ http.ResponseWriter }

func (w writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w writer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return http.NewResponseController(w.ResponseWriter).Hijack()
}

func (w writer) FlushError() error { return http.NewResponseController(w.ResponseWriter).Flush() }

func (w writer) Flush() { w.FlushError() }

func (w writer) ReadFrom(r io.Reader) (int64, error) { return io.Copy(w.ResponseWriter, r) }
