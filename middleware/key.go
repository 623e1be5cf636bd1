package middleware

import (
	"hash/maphash"
	"math/bits"
	"net/http"
	"net/netip"
	"strings"

	chi "github.com/go-chi/chi/v5/middleware"

	"github.com/wsverdict/wsverdict/policy"
)

// A Key is whose requests are counted together. Keys compare with ==; those of two namespaces are
// never equal.
type Key struct {
	addr  netip.Addr // an IPv4 address, or an IPv6 /64's first
	space string
	text  string
	scope string // of a policy that asks a store which others may share: its name
}

// IPKey is the key of a client address: IPv4 as it is (mapped into IPv6 or not), IPv6 by its /64,
// since that is what one subscriber has. It does not allocate.
func IPKey(addr netip.Addr) Key {
	addr = addr.Unmap()
	if addr.Is6() {
		a := addr.As16() // without the zone
		clear(a[8:])
		addr = netip.AddrFrom16(a)
	}
	return Key{addr: addr}
}

// NewKey is the key of anything that has a name, in a namespace: NewKey("tenant", "acme") is not
// NewKey("user", "acme"). The namespace is a word of the program's own, not the client's, and not
// "ip", which [IPKey] has. It does not allocate.
func NewKey(namespace, name string) Key { return Key{space: namespace, text: name} }

// String returns the key as text, for stores that keep it elsewhere: "tenant:acme", "ip:192.0.2.1",
// "ip:2001:db8::/64". As a [Limiter] or a [SeatStore] gets it, it begins with the name of the
// policy that asks: "handshakes/tenant:acme". Different keys have different texts; a namespace or
// name of a policy in which there is a colon, slash or percent sign is escaped for that.
func (k Key) String() string {
	s := ""
	if k.scope != "" {
		s = escapeKey.Replace(k.scope) + "/"
	}
	switch {
	case !k.addr.IsValid():
		return s + escapeKey.Replace(k.space) + ":" + k.text
	case k.addr.Is6():
		return s + "ip:" + k.addr.String() + "/64"
	}
	return s + "ip:" + k.addr.String()
}

var escapeKey = strings.NewReplacer("%", "%25", ":", "%3A", "/", "%2F")

// in is the key as the policy of that name asks a store for it.
func (k Key) in(scope string) Key {
	k.scope = scope
	return k
}

// hash makes limiters know keys by 64 bits under a secret seed. What a client chooses goes through
// maphash alone.
func (k Key) hash(seed maphash.Seed) uint64 {
	var h uint64
	if k.addr.IsValid() {
		a := k.addr.As16()
		h = ^maphash.Bytes(seed, a[:]) // not what a string of the same bytes has
	} else {
		h = maphash.String(seed, k.text)
	}
	if k.space != "" {
		h ^= bits.RotateLeft64(maphash.String(seed, k.space), 21)
	}
	if k.scope != "" {
		h ^= bits.RotateLeft64(maphash.String(seed, k.scope), 42)
	}
	return h
}

// A KeyFunc says whose request r is. ok is false when that cannot be told, which denies the request
// with 500: a key shared by all who have none would let one of them lock out the others. It is
// called concurrently.
type KeyFunc func(r *http.Request) (key Key, ok bool)

// ByIP is the key of the client's address: the one that a ClientIPFrom middleware of chi found,
// else the peer's. Headers are never looked at here: without such a middleware, everybody behind
// one proxy is one client.
func ByIP(r *http.Request) (key Key, ok bool) {
	if addr := chi.GetClientIPAddr(r.Context()); addr.IsValid() {
		return IPKey(addr), true
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return Key{}, false
	}
	return IPKey(peer.Addr()), true
}

// BySubject is the key of who this is: the subject that a policy further out brought
// ([policy.Verdict.WithSubject]), whichever it was. ok is false without one.
func BySubject(r *http.Request) (key Key, ok bool) {
	subject, ok := policy.Subject(r)
	return NewKey("subject", subject), ok
}
