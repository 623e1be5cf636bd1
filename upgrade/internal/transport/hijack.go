package transport

import (
	"errors"
	"fmt"
	"net/http"
)

// A HijackError says why a connection could not be taken over: most often a middleware wraps
// [http.ResponseWriter] in a type with neither Hijack nor Unwrap (see [http.ResponseController]). A
// stream of HTTP/2 is not hijacked, but written to with deadlines, which needs Unwrap all the same.
type HijackError struct {
	Writer http.ResponseWriter // the innermost writer that could be reached: the one in the way
	Err    error
	Stream bool // it was a stream of HTTP/2
}

// Error names the type in the way.
func (e *HijackError) Error() string {
	what := "Hijack"
	text := "upgrade: the connection cannot be hijacked"
	if e.Stream {
		what, text = "SetWriteDeadline", "upgrade: the HTTP/2 stream cannot be taken over"
	}
	if errors.Is(e.Err, http.ErrNotSupported) {
		return fmt.Sprintf("%s: %T has neither %s nor Unwrap", text, e.Writer, what)
	}
	return fmt.Sprintf("%s: %T: %v", text, e.Writer, e.Err)
}

// Unwrap returns the underlying error; [http.ErrNotSupported] where a type is in the way.
func (e *HijackError) Unwrap() error { return e.Err }

func innermost(w http.ResponseWriter) http.ResponseWriter {
	for {
		if _, ok := w.(http.Hijacker); ok {
			return w
		}
		u, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return w
		}
		w = u.Unwrap()
	}
}
