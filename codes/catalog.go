package codes

import "slices"

// An Entry describes one code of the [Catalog].
type Entry struct {
	Code   Code
	Name   string // the HTTP reason phrase
	Text   string // one sentence for people, safe to show to anybody
	Action Action // what a client should do when the verdict does not say
}

// Catalog returns the named codes in ascending order. The slice is the caller's.
func Catalog() []Entry { return slices.Clone(catalog) }

var catalog = []Entry{
	{BadRequest, "Bad Request", "The request is malformed.", Stop},
	{Unauthorized, "Unauthorized", "Valid credentials are required.", Refresh},
	{Forbidden, "Forbidden", "Access is not allowed.", Stop},
	{NotFound, "Not Found", "There is nothing here.", Stop},
	{NotAcceptable, "Not Acceptable", "Client and server have no subprotocol in common.", Stop},
	{RequestTimeout, "Request Timeout", "The client took too long.", Reconnect},
	{Conflict, "Conflict", "The request conflicts with the current state.", Stop},
	{Gone, "Gone", "This is gone for good.", Stop},
	{ContentTooLarge, "Content Too Large", "The message is too large.", Stop},
	{UpgradeRequired, "Upgrade Required", "A WebSocket handshake is required.", Stop},
	{TooManyRequests, "Too Many Requests", "Too many requests were made.", Backoff},
	{UnavailableForLegalReasons, "Unavailable For Legal Reasons", "This is unavailable for legal reasons.", Stop},
	{InternalServerError, "Internal Server Error", "The server failed.", Backoff},
	{ServiceUnavailable, "Service Unavailable", "The service is unavailable at the moment.", Backoff},
	{GatewayTimeout, "Gateway Timeout", "A service that this one depends on took too long.", Backoff},
}

// entry finds c's catalog entry. Fifteen entries in order: a binary search beats a map and allocates nothing.
func (c Code) entry() *Entry {
	lo, hi := 0, len(catalog)
	for lo < hi {
		mid := (lo + hi) / 2
		if catalog[mid].Code < c {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo < len(catalog) && catalog[lo].Code == c {
		return &catalog[lo]
	}
	return nil
}
