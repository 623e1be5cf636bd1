package middleware_test

import (
	"fmt"
	"slices"
	"strings"
)

// A part is one element of a random chain. owner is the Upgrader of a link: 0 is the endpoint's, 1 another.
type part struct {
	kind  string // "use", "shadow", "origin", or a foreign handler
	owner int
	term  *term  // of use and shadow
	to    string // what a foreign handler rewrites Origin or Host to
}

func (p part) String() string {
	switch p.kind {
	case "use", "shadow":
		return fmt.Sprintf("%s/%d %v", p.kind, p.owner, p.term)
	case "origin":
		return fmt.Sprintf("origin/%d", p.owner)
	}
	return strings.TrimSpace(p.kind + " " + p.to)
}

func (p part) isLink() bool { return p.kind == "use" || p.kind == "shadow" || p.kind == "origin" }

const (
	ownHost       = "app.example.com"
	listedOrigin  = "https://listed.example.org"
	foreignOrigin = "https://evil.example"
)

// An ask is a request of the test's client.
type ask struct {
	http2        bool     // an extended CONNECT
	fault        string   // what is wrong with the handshake; "" for nothing
	origins      []string // header lines
	subprotocols string   // "" for none
	when         bool
}

// An outcome is what the client sees, and what ran.
type outcome struct {
	status int // 101 for an upgrade
	code   int // of the close frame
	slug   string
	judged []int
	ran    bool // the endpoint's function
}

func (o outcome) String() string {
	return fmt.Sprintf("%d %d %q judged %v ran %v", o.status, o.code, o.slug, o.judged, o.ran)
}

// A model follows a request through a chain, as the documentation says it goes.
type model struct {
	ask
	host     string
	vetted   [2][]string // the Origin values that each Upgrader's own links let pass
	hijacks  bool
	seen     judged
	endpoint string // "admit", "deny", "panic", "plain"
}

// listed is what the Origin links of both Upgraders let pass.
func listed(origin string) bool { return origin == listedOrigin || origin == "https://"+ownHost }

func (m *model) run(chain []part) outcome {
	m.hijacks, m.host = true, ownHost
	m.origins = slices.Clone(m.origins)
	for _, p := range chain {
		if v, denied := m.pass(p); denied {
			return m.settle(p.owner, v)
		}
	}
	if m.endpoint == "plain" {
		return m.end(outcome{status: 200, ran: true})
	}
	return m.arrive()
}

// pass is one part of the chain.
func (m *model) pass(p part) (v ruling, denied bool) {
	switch p.kind {
	case "use":
		v = p.term.judge(m.when, &m.seen)
		return v, !v.allowed
	case "shadow":
		p.term.judge(m.when, &m.seen)
	case "origin":
		switch {
		case len(m.origins) == 0:
		case len(m.origins) > 1 || !listed(m.origins[0]):
			return ruling{hidden: true, status: 403, code: 4403, slug: "origin_not_allowed"}, true
		default:
			m.vetted[p.owner] = append(m.vetted[p.owner], m.origins[0])
		}
	case "rewrite Origin":
		m.origins = []string{p.to}
	case "drop Origin":
		m.origins = nil
	case "rewrite Host":
		m.host = p.to
	case "hide Hijack":
		m.hijacks = false
	case "new context":
		m.vetted = [2][]string{} // it carried them
	}
	return v, false
}

// isVetted is rule 2, for the header as it is now.
func (m *model) isVetted(owner int) bool {
	if len(m.origins) == 0 {
		return true
	}
	return len(m.origins) == 1 && (slices.Contains(m.vetted[owner], m.origins[0]) || m.origins[0] == "https://"+m.host)
}

// refusal is the status of a handshake that is none, 0 for a good one.
func (m *model) refusal() int {
	switch m.fault {
	case "":
		return 0
	case "method":
		return 405
	case "no upgrade", "version":
		if m.http2 {
			return 400
		}
		return 426
	}
	return 400
}

// subprotocolRefusal is the status of a list that cannot be answered, 0 if it can.
func (m *model) subprotocolRefusal() int {
	switch m.subprotocols {
	case "", "chat.v1", "other, chat.v1":
		return 0
	case "other":
		return 406
	}
	return 400
}

// settle is what becomes of a denial.
func (m *model) settle(owner int, v ruling) outcome {
	if v.hidden || m.refusal() != 0 || !m.isVetted(owner) || m.subprotocolRefusal() != 0 || !m.hijacks {
		return m.end(outcome{status: v.status})
	}
	return m.end(outcome{status: 101, code: int(v.code), slug: v.slug})
}

// arrive is the endpoint.
func (m *model) arrive() outcome {
	switch {
	case m.refusal() != 0:
		return m.end(outcome{status: m.refusal()})
	case !m.isVetted(0):
		return m.end(outcome{status: 403})
	case m.subprotocolRefusal() != 0:
		return m.end(outcome{status: m.subprotocolRefusal()})
	}
	var o outcome
	switch m.endpoint {
	case "deny":
		o = m.settle(0, ruling{status: 403, code: 4711, slug: "no_room"})
	case "panic":
		o = m.settle(0, ruling{status: 500, code: 4500, slug: "internal_error"})
	default:
		o = m.end(outcome{status: 101, code: 1000})
		if !m.hijacks {
			o.status, o.code = 500, 0
		}
	}
	o.ran = true
	return o
}

func (m *model) end(o outcome) outcome {
	o.judged = m.seen.ids
	return o
}
