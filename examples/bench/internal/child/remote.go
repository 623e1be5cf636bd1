package child

import "encoding/json"

// A Remote is a server in a process of its own. S is what it says about itself.
type Remote[S any] struct {
	*Process
	Addr string
}

// StartRemote starts a copy in a role, whose argument is order as JSON and whose first line is its
// address.
func StartRemote[S any](role string, order any) (*Remote[S], error) {
	b, err := json.Marshal(order)
	if err != nil {
		return nil, err
	}
	p, err := Start(role, string(b))
	if err != nil {
		return nil, err
	}
	addr, err := p.Line()
	if err != nil {
		p.Kill()
		return nil, err
	}
	return &Remote[S]{p, addr}, nil
}

// Ask sends a command, and returns what the server says of itself then: a line of JSON.
func (r *Remote[S]) Ask(command string) (s S, err error) {
	if err := r.Send(command); err != nil {
		return s, err
	}
	line, err := r.Line()
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal([]byte(line), &s)
}
