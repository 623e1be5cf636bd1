package policy

import (
	"fmt"
	"net/http"
	"reflect"
	"runtime"
	"strings"
)

// A Policy decides about a request. Judge is called concurrently, before anything is written or
// upgraded. It must not write to the connection or consume the body, and should not block for long:
// the client waits. A panic in it denies the request with 500 and is reported.
type Policy interface {
	Judge(r *http.Request) Verdict
}

// Func adapts a function to a [Policy].
type Func func(r *http.Request) Verdict

// Judge calls f.
func (f Func) Judge(r *http.Request) Verdict { return f(r) }

// Name returns the function's name ("main.membersOnly"), which reports use unless [Named] gives a
// better one.
func (f Func) Name() string {
	fn := runtime.FuncForPC(reflect.ValueOf(f).Pointer())
	if fn == nil {
		return "policy.Func"
	}
	name := fn.Name()
	return strings.TrimSuffix(name[strings.LastIndexByte(name, '/')+1:], "-fm")
}

// A Namer is a policy that names itself. Names are labels of metrics: constant, few, without
// anything of the request.
type Namer interface {
	Name() string
}

// NameOf returns the name that p has in reports: its own if it is a [Namer], else its type.
func NameOf(p Policy) string {
	if n, ok := p.(Namer); ok {
		return n.Name()
	}
	return fmt.Sprintf("%T", p)
}

// A Mounting is what a policy is shown of the place where it is mounted.
type Mounting struct {
	Subprotocols []string // those that the Upgrader speaks; not to be changed
	Observer     any      // the Upgrader's, for a policy that must be told what became of requests
}

// A MountChecker is a policy that can be mounted wrongly. CheckMount is called when it is mounted;
// its error, with all mistakes in it, is a panic there. The combinators of this package forward it.
type MountChecker interface {
	CheckMount(m Mounting) error
}

// CheckMount asks p about its mounting, if it is a [MountChecker]. A nil policy is a mistake too.
func CheckMount(p Policy, m Mounting) error {
	if isNil(p) {
		return errNilPolicy
	}
	if c, ok := p.(MountChecker); ok {
		return c.CheckMount(m)
	}
	return nil
}

// isNil sees through the interface: a nil Func or a nil pointer in a Policy would panic at the
// first request only.
func isNil(p Policy) bool {
	if p == nil {
		return true
	}
	switch v := reflect.ValueOf(p); v.Kind() {
	case reflect.Func, reflect.Pointer, reflect.Map, reflect.Interface:
		return v.IsNil()
	}
	return false
}
