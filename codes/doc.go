// Package codes is the vocabulary that a server and a browser script share: close codes that
// mirror HTTP statuses, the action that a client should take, and the reason text that carries it.
//
// A script sees only a close frame's code (4000–4999 for applications, RFC 6455 §7.4.2) and a
// reason of at most 123 bytes. A code says what happened; clients of every scheme in use had to guess
// what to do about it. So the reason says it:
//
//	4401 token_expired;do=refresh
//	4429 rate_limited;do=backoff;after=30
//	4403 not_a_member;do=stop
//	4503 restart;do=reconnect;after=3
//
// Everything here is a value, safe for concurrent use.
package codes
