package storm

import (
	"encoding/json"

	"github.com/wsverdict/wsverdict/examples/bench/internal/child"
)

// A remote is a server in a process of its own.
type remote struct {
	*child.Process
	addr string
}

func start(o order) (*remote, error) {
	b, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	p, err := child.Start("storm server", string(b))
	if err != nil {
		return nil, err
	}
	addr, err := p.Line()
	if err != nil {
		p.Kill()
		return nil, err
	}
	return &remote{p, addr}, nil
}

// ask sends a command and returns the server's usage then.
func (r *remote) ask(command string) (u usage, err error) {
	if err := r.Send(command); err != nil {
		return u, err
	}
	line, err := r.Line()
	if err != nil {
		return u, err
	}
	return u, json.Unmarshal([]byte(line), &u)
}
