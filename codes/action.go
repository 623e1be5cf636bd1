package codes

// An Action is what a client should do after a refusal or a close. The zero Action says nothing:
// the code's own default stands ([Code.Action]).
type Action uint8

const (
	// Stop: do not connect again by yourself; the answer would be the same.
	Stop Action = iota + 1
	// Refresh: get new credentials, then connect again.
	Refresh
	// Backoff: connect again later; not before `after`, and with growing, jittered delays.
	Backoff
	// Reconnect: connect again soon; after `after` if given, with a little jitter.
	Reconnect
)

var actionNames = [...]string{"", "stop", "refresh", "backoff", "reconnect"}

// String returns the action's word in a reason: "stop", "refresh", "backoff", "reconnect", and "" for
// the zero Action and anything undefined.
func (a Action) String() string {
	if int(a) < len(actionNames) {
		return actionNames[a]
	}
	return ""
}

// ParseAction is the inverse of [Action.String]. ok is false for every other word, the empty one
// included.
func ParseAction(word string) (a Action, ok bool) {
	for i, name := range actionNames[1:] {
		if name == word {
			return Action(i + 1), true
		}
	}
	return 0, false
}
