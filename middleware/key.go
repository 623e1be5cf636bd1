package middleware

import (
	"hash/maphash"
	"net/http"
	"net/netip"

	chi "github.com/go-chi/chi/v5/middleware"
)

// A Key is whose requests are counted together. Keys compare with ==; an address and a string are never equal.
type Key struct {
	addr netip.Addr // an IPv4 address, or an IPv6 /64's first
	text string
}

// IPKey is the key of a client address: IPv4 as it is (mapped into IPv6 or not), IPv6 by its /64, since that is what one
// subscriber has. It does not allocate.
func IPKey(addr netip.Addr) Key {
	addr = addr.Unmap()
	if addr.Is6() {
		a := addr.As16() // without the zone
		clear(a[8:])
		addr = netip.AddrFrom16(a)
	}
	return Key{addr: addr}
}

// StringKey is the key of anything that has a name: a user, a tenant, an API key's identifier.
func StringKey(s string) Key { return Key{text: s} }

// String returns the key as text, for limiters that keep it elsewhere: "ip:192.0.2.1", "ip:2001:db8::/64", "key:alice".
func (k Key) String() string {
	switch {
	case !k.addr.IsValid():
		return "key:" + k.text
	case k.addr.Is6():
		return "ip:" + k.addr.String() + "/64"
	}
	return "ip:" + k.addr.String()
}

func (k Key) hash(seed maphash.Seed) uint64 {
	if !k.addr.IsValid() {
		return maphash.String(seed, k.text)
	}
	a := k.addr.As16()
	return ^maphash.Bytes(seed, a[:]) // not what a string of the same bytes has: limiters know keys by their hashes
}

// A KeyFunc says whose request r is. ok is false when that cannot be told, which denies the request with 500: a key shared by all
// who have none would let one of them lock out the others. It is called concurrently.
type KeyFunc func(r *http.Request) (key Key, ok bool)

// ByIP is the key of the client's address: the one that a ClientIPFrom middleware of chi found, else the peer's. Headers are
// never looked at here: without such a middleware, everybody behind one proxy is one client.
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
