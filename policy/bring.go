package policy

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"reflect"
	"strings"
	"time"
)

// A bring is one thing that a verdict brings along. The list is immutable and shared by copies of
// the verdict, so that With methods keep value semantics.
type bring struct {
	prev  *bring
	kind  kind
	name  string // header: name; tag: key
	text  string // header and tag: value
	key   any    // context key
	value any    // context value, Expiry, Seat
}

type kind uint8

const (
	headerBring kind = iota // goes with a denial; everything else with an allow
	valueBring
	tagBring
	expiryBring
	seatBring
)

// A Tag marks a live connection, so that it can be found again: all of a user's, all of a room's.
type Tag struct{ Key, Value string }

// An Expiry says until when an admitted connection may live: how long what admitted it is good.
type Expiry struct {
	// At is when the connection is closed. The zero time is never: the owner can still replace it.
	At time.Time

	// Owner is whose expiry it is: an expiry is extended by its owner alone. It must be comparable.
	Owner any

	// Subject is who was admitted; only the same one can extend it.
	Subject string

	// Tags are what the owner's credential says of the connection, which has them from its first
	// moment on, as those of [Verdict.WithTag]. Who extends the expiry replaces them. It is not
	// changed after the Expiry was given to anybody.
	Tags []Tag
}

// A Seat is a place that a live connection takes. The Upgrader takes it when it admits the
// connection, and gives it back exactly once, however the connection ends or the upgrade fails. The
// methods of different seats are called concurrently.
type Seat interface {
	// Take reports whether there was one left. An error means that this could not be found out. ctx
	// ends with the request, and when the Upgrader stops waiting; a seat that is taken after that
	// is given back.
	Take(ctx context.Context) (ok bool, err error)

	// Give gives back a seat that was taken. It returns at once: what has to wait for a network
	// does so on a goroutine of its own.
	Give()
}

// A LocalSeat is a Seat whose Take returns at once: it counts in this process, or bounds its
// waiting itself. The Upgrader calls it directly, and spares the goroutine by which it bounds the
// waiting for others.
type LocalSeat interface {
	Seat
	Local()
}

// WithValue brings a value along for later policies and the endpoint, which find it in the
// request's context under key. Only an allow that was enforced delivers it. key should be of an
// unexported type, as with [context.WithValue]; one that is nil or does not compare panics.
func (v Verdict) WithValue(key, value any) Verdict {
	mustCompare("WithValue: key", key)
	return v.with(bring{kind: valueBring, key: key, value: value})
}

// WithTag brings a tag along, which the live connection will have from its first moment on. Tags of
// a credential that can be renewed are [Expiry.Tags].
func (v Verdict) WithTag(key, value string) Verdict {
	return v.with(bring{kind: tagBring, name: key, text: value})
}

// WithExpiry brings an expiry along: the live connection is closed at that time, with 4401
// token_expired;do=refresh. Of several the earliest counts. An Owner that does not compare panics.
func (v Verdict) WithExpiry(e Expiry) Verdict {
	mustCompare("WithExpiry: Owner", e.Owner)
	return v.with(bring{kind: expiryBring, value: e})
}

// WithSeat brings a seat along. If none is left, the connection is refused with 429
// too_many_connections, and if that cannot be found out with 503 seats_unavailable, in the name of
// the policy whose verdict v is. nil panics.
func (v Verdict) WithSeat(s Seat) Verdict {
	if s == nil {
		panic("policy: WithSeat: the seat is nil")
	}
	return v.with(bring{kind: seatBring, value: s})
}

// WithHeader adds a header field to a denial's HTTP form, such as WWW-Authenticate. It goes nowhere
// in a close frame, and not with an allow. The name is put into canonical form
// ([http.CanonicalHeaderKey]); it panics if it is no field name (RFC 9110 §5.1).
func (v Verdict) WithHeader(name, value string) Verdict {
	if !isToken(name) {
		panic(fmt.Sprintf("policy: WithHeader: %q is no field name", name))
	}
	return v.with(bring{kind: headerBring, name: http.CanonicalHeaderKey(name), text: value})
}

// isToken is RFC 9110 §5.6.2.
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		if letter := c|0x20 >= 'a' && c|0x20 <= 'z'; !letter && (c < '0' || c > '9') && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}

func (v Verdict) with(b bring) Verdict {
	b.prev = v.brings
	v.brings = &b
	return v
}

func mustCompare(what string, key any) {
	if key == nil || !reflect.TypeOf(key).Comparable() {
		panic("policy: " + what + " is nil or not comparable")
	}
}

// Brings reports whether v has something for an admitted request or its connection.
func (v Verdict) Brings() bool {
	for b := v.brings; b != nil; b = b.prev {
		if b.kind != headerBring {
			return true
		}
	}
	return false
}

// Value returns what [Verdict.WithValue] brought under key, the last one if there are several; nil
// if there is none.
func (v Verdict) Value(key any) any {
	for b := v.brings; b != nil; b = b.prev {
		if b.kind == valueBring && b.key == key {
			return b.value
		}
	}
	return nil
}

// Header yields the fields of [Verdict.WithHeader] in the order in which they were added.
func (v Verdict) Header() iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		v.brings.each(headerBring, func(b *bring) bool { return yield(b.name, b.text) })
	}
}

// Tags yields the tags of [Verdict.WithTag] in the order in which they were added. The connection
// will have those of its expiries as well.
func (v Verdict) Tags() iter.Seq[Tag] {
	return func(yield func(Tag) bool) {
		v.brings.each(tagBring, func(b *bring) bool { return yield(Tag{b.name, b.text}) })
	}
}

// Expiries yields the expiries of [Verdict.WithExpiry] in the order in which they were added.
func (v Verdict) Expiries() iter.Seq[Expiry] { return valuesOf[Expiry](v.brings, expiryBring) }

// Seats yields the seats of [Verdict.WithSeat] in the order in which they were added.
func (v Verdict) Seats() iter.Seq[Seat] { return valuesOf[Seat](v.brings, seatBring) }

func valuesOf[T any](b *bring, k kind) iter.Seq[T] {
	return func(yield func(T) bool) {
		b.each(k, func(b *bring) bool { return yield(b.value.(T)) })
	}
}

func (b *bring) each(k kind, yield func(*bring) bool) bool {
	return b == nil || b.prev.each(k, yield) && (b.kind != k || yield(b))
}
