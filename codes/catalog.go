package codes

import "slices"

// An Entry describes one code of the [Catalog].
type Entry struct {
	Code   Code
	Status int    // the HTTP status; 0 for an application's own code whose verdicts declare it
	Name   string // the HTTP reason phrase; for an application's own code any name
	Text   string // one sentence for people, safe to show to anybody
	Action Action // what a client should do when the verdict does not say
}

// Catalog returns the named codes in ascending order. The slice is the caller's.
func Catalog() []Entry { return slices.Clone(catalog) }

var catalog = []Entry{
	{BadRequest, 400, "Bad Request", "The request is malformed.", Stop},
	{Unauthorized, 401, "Unauthorized", "Valid credentials are required.", Refresh},
	{Forbidden, 403, "Forbidden", "Access is not allowed.", Stop},
	{NotFound, 404, "Not Found", "There is nothing here.", Stop},
	{NotAcceptable, 406, "Not Acceptable", "Client and server have no subprotocol in common.", Stop},
	{RequestTimeout, 408, "Request Timeout", "The client took too long.", Reconnect},
	{Conflict, 409, "Conflict", "The request conflicts with the current state.", Stop},
	{Gone, 410, "Gone", "This is gone for good.", Stop},
	{ContentTooLarge, 413, "Content Too Large", "The message is too large.", Stop},
	{UpgradeRequired, 426, "Upgrade Required", "A WebSocket handshake is required.", Stop},
	{TooManyRequests, 429, "Too Many Requests", "Too many requests were made.", Backoff},
	{UnavailableForLegalReasons, 451, "Unavailable For Legal Reasons", "This is unavailable for legal reasons.", Stop},
	{InternalServerError, 500, "Internal Server Error", "The server failed.", Backoff},
	{ServiceUnavailable, 503, "Service Unavailable", "The service is unavailable at the moment.", Backoff},
	{GatewayTimeout, 504, "Gateway Timeout", "A service that this one depends on took too long.", Backoff},
}

// entry finds c's catalog entry. Fifteen entries in order: a binary search beats a map and
// allocates nothing.
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
