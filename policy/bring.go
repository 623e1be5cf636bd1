package policy

import (
	"fmt"
	"iter"
	"net/http"
	"reflect"
)

// A bring is one thing that a verdict brings along. The list is immutable and shared by copies of the verdict,
// so that With methods keep value semantics.
type bring struct {
	prev  *bring
	key   any // a context key, or nil for a header
	value any
	name  string
	field string
}

// WithValue brings a value along for later policies and the endpoint, which find it in the request's context under key.
// Only an allow that was enforced delivers it. key must be comparable and of an unexported type, as with
// [context.WithValue]; any other panics.
func (v Verdict) WithValue(key, value any) Verdict {
	if key == nil || !reflect.TypeOf(key).Comparable() {
		panic("policy: WithValue: key is nil or not comparable")
	}
	v.brings = &bring{prev: v.brings, key: key, value: value}
	return v
}

// Value returns what [Verdict.WithValue] brought under key, the last one if there are several; nil if there is none.
func (v Verdict) Value(key any) any {
	for b := v.brings; b != nil; b = b.prev {
		if b.key != nil && b.key == key {
			return b.value
		}
	}
	return nil
}

// Brings reports whether v has something for the request's context.
func (v Verdict) Brings() bool {
	for b := v.brings; b != nil; b = b.prev {
		if b.key != nil {
			return true
		}
	}
	return false
}

// WithHeader adds a header field to a denial's HTTP form, such as WWW-Authenticate. It goes nowhere in a close frame, and
// not with an allow. It panics if name is not in canonical form ([http.CanonicalHeaderKey]).
func (v Verdict) WithHeader(name, value string) Verdict {
	if name == "" || name != http.CanonicalHeaderKey(name) {
		panic(fmt.Sprintf("policy: WithHeader: %q: want a field name in canonical form, %q", name, http.CanonicalHeaderKey(name)))
	}
	v.brings = &bring{prev: v.brings, name: name, field: value}
	return v
}

// Header yields the fields of [Verdict.WithHeader] in the order in which they were added.
func (v Verdict) Header() iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) { v.brings.header(yield) }
}

func (b *bring) header(yield func(name, value string) bool) bool {
	return b == nil || b.prev.header(yield) && (b.key != nil || yield(b.name, b.field))
}
