package policy

import (
	"fmt"
	"net/http"
	"runtime/debug"

	"github.com/wsverdict/wsverdict/codes"
)

var panicked = Close(codes.InternalServerError, "internal_error")

// Ask returns p's verdict. A panic in p is a denial with 500 internal_error, whose cause is a
// [*PanicError]: links ask their policies this way, and the combinators of this package those that
// they combine. So whatever [Hidden] or [Named] say of a policy holds for its panics too, and an
// alternative of [Any] that panics is one that could not decide.
func Ask(p Policy, r *http.Request) (v Verdict) {
	returned := false
	defer func() {
		if !returned { // recover alone does not tell: panic(nil) is nil under GODEBUG=panicnil=1
			v = panicked.WithCause(&PanicError{recover(), debug.Stack()})
		}
	}()
	v = p.Judge(r)
	returned = true
	return v
}

// A PanicError is the cause of a denial that a panic became.
type PanicError struct {
	Value any
	Stack []byte
}

// Error gives the panic's value, without the stack.
func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// Unwrap returns the panic's value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}
