// Package policy is the vocabulary of decisions: a [Policy] looks at a request and returns a
// [Verdict]; it writes nothing. What becomes of the verdict, an HTTP status or a close frame, is
// for package upgrade.
//
//	func membersOnly(r *http.Request) policy.Verdict {
//		if !isMember(r.PathValue("room"), user(r)) {
//			return policy.Close(codes.Forbidden, "not_a_member")
//		}
//		return policy.Allow()
//	}
//
// A policy is tested by calling it and looking at the verdict's accessors; no server is needed.
//
// # Close or Reject
//
// [Close] is for what client logic is to handle: sign in again, wait, give up. [Reject] is for what
// scripts must not learn (a failed security check) and for what is no WebSocket matter: it is an
// HTTP status always, and a browser script sees 1006 and nothing else.
//
// # Mistakes
//
// A code or slug that cannot be panics where the verdict is made, which denies that one request
// with 500. Verdicts that are package variables are made when the program starts, and so are found
// wrong then, in branches too that nobody has tested:
//
//	var notAMember = policy.Close(codes.Forbidden, "not_a_member")
//
// # What an allow brings along
//
// An allowing verdict may have something for what comes behind it: values for later policies and
// the endpoint ([Verdict.WithValue]), and for the live connection tags by which it is found, the
// end of its time, and a [Seat], a place that it takes for as long as it lives. It brings these
// along only where it was enforced.
//
// # Combinations
//
// Links in a chain are an "and". [Any] is an "or", [When] a condition, [Named] a name in reports,
// and [Hidden] keeps denials from scripts.
package policy
