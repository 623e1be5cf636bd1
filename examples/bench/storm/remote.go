package storm

import "github.com/wsverdict/wsverdict/examples/bench/internal/child"

// A remote is a server in a process of its own.
type remote = child.Remote[usage]

func start(o order) (*remote, error) { return child.StartRemote[usage]("storm server", o) }
