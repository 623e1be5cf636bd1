package upgrade

import (
	"errors"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"github.com/wsverdict/wsverdict/upgrade/internal/frame"
)

// A Prepared is a message for many connections: its frame is encoded once, and shared by all that it
// is sent to. It does not change, and is safe for concurrent use.
type Prepared struct{ frame []byte }

var errNotUTF8 = errors.New("upgrade: a text message is not UTF-8")

// Prepare makes a message for [Conn.Send] and [Upgrader.Broadcast]. It copies data. A Text that is
// not UTF-8 is an error, since every client would close its connection for it; so is a type that is
// neither Text nor Binary. [Upgrader.PrepareJSON] is for values.
func Prepare(typ MessageType, data []byte) (*Prepared, error) {
	switch {
	case typ != Text && typ != Binary:
		return nil, errMessageType
	case typ == Text && !utf8.Valid(data):
		return nil, errNotUTF8
	}
	f := make([]byte, 0, ws.MaxHeaderSize+len(data))
	return &Prepared{append(frame.AppendHeader(f, ws.OpCode(typ), true, len(data)), data...)}, nil
}

// cost is what a message counts for in an outbox: its frame and its place.
func (p *Prepared) cost() int { return len(p.frame) + 8 }
