package upgrade

import "github.com/wsverdict/wsverdict/policy"

// Tag adds a tag to the connection, so that [Upgrader.End] finds it. A tag that a policy brought
// ([policy.Verdict.WithTag]) is in place earlier: before the client knows that it is connected.
func (c *Conn) Tag(key, value string) {
	l := &c.config.live
	l.mu.Lock()
	defer l.mu.Unlock()
	if !c.state.gone {
		l.tag(c, ownedTag{Tag: policy.Tag{Key: key, Value: value}}, new(membership))
	}
}

// Untag takes a tag off the connection, whoever put it there. One that it does not have changes
// nothing.
func (c *Conn) Untag(key, value string) {
	l := &c.config.live
	l.mu.Lock()
	defer l.mu.Unlock()
	if !c.state.gone {
		l.untag(c, func(m *membership) bool { return m.of.tag == policy.Tag{Key: key, Value: value} })
	}
}

// Tags returns the connection's tags, the last added first.
func (c *Conn) Tags() []policy.Tag {
	l := &c.config.live
	l.mu.Lock()
	defer l.mu.Unlock()
	var tags []policy.Tag
	for m := c.place.tags; m != nil; m = m.more {
		tags = append(tags, m.of.tag)
	}
	return tags
}
