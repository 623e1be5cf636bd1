package transport

import (
	"errors"
	"fmt"
	"net/http"
)

// A HijackError says why a connection could not be taken over: most often a middleware wraps
// [http.ResponseWriter] in a type with neither Hijack nor Unwrap (see [http.ResponseController]),
// or the connection is HTTP/2.
type HijackError struct {
	Writer http.ResponseWriter // the innermost writer that could be reached: the one in the way
	Err    error
}

// Error names the type in the way.
func (e *HijackError) Error() string {
	if errors.Is(e.Err, http.ErrNotSupported) {
		return fmt.Sprintf("upgrade: the connection cannot be hijacked: %T has neither Hijack nor Unwrap", e.Writer)
	}
	return fmt.Sprintf("upgrade: the connection cannot be hijacked: %T: %v", e.Writer, e.Err)
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
